package pocketsearcher

import java.nio.Buffer
import java.nio.ByteBuffer
import kotlin.math.abs

private const val MIDDLE = 7.5f // of 4-bit codes
private const val MAX_CODE = 127f
private const val FLOAT32 = 0 // TensorType of the schema
private const val UINT8 = 3
private const val INT8 = 9

/**
 * The rows of an index, read in place from the constants of the graph; docs/format.md describes them.
 *
 * A hybrid kernel in the graph rounds the query to 8 bits before it multiplies it with the bases of 4-bit rows. [scorer] does the same, so
 * that an item has the same distance here as there.
 */
internal class StoredRows private constructor(
    constants: Map<String, Constant>,
    searched: Constant,
    private val vectorSize: Int,
    private val directions: Constant? = null, // a row is a vector along these; null if it is an embedding
    private val rest: StoredRows? = null, // the same rows along further directions: an embedding is the sum of both
) {
    private val dimension = directions?.shape?.first() ?: vectorSize
    private val fine = "fine_rows" in constants // rows that the best of those searched are scored by; whole, without bases
    private val rows = constants["fine_rows"] ?: searched
    private val steps = constants[if (fine) "fine_steps" else "steps"]
    private val bases = constants["bases"].takeIf { !fine }
    private val baseSteps = constants["base_steps"]
    private val entries = constants["entries"].takeIf { !fine }
    private val unit = if (rows.type == INT8) rows.scale else constants["unit"]?.content?.getFloat(0) ?: 1f
    private val kind = when {
        rows.type == INT8 && steps != null -> Kind.INT8
        rows.type == FLOAT32 -> Kind.FLOAT32
        rows.type == UINT8 && "unit" in constants && steps != null -> Kind.INT4
        rows.type == UINT8 && entries != null -> Kind.PRODUCT
        else -> null
    }
    private val block = searched.shape[1]
    private val width = rows.shape.last()

    /** The number of rows, those of padding too. */
    val size = searched.shape[0] * block
    private val ids = constants["ids"]?.content

    private val rowOf: IntArray? by lazy {
        ids?.let { IntArray(size).also { found -> for (row in 0 until size) if (item(row) >= 0) found[item(row)] = row } }
    }

    private enum class Kind { INT8, INT4, FLOAT32, PRODUCT }

    /** The item in a row; -1 for padding. */
    fun item(row: Int): Int = ids?.getInt(4 * row) ?: row

    /** The row of an item. */
    fun rowOf(item: Int): Int = rowOf?.get(item) ?: item

    /** The embedding in a row. */
    fun decode(row: Int): FloatArray {
        val part = decodePart(row)
        if (directions == null) return part
        val found = rest?.decode(row) ?: FloatArray(vectorSize)
        for (i in part.indices) for (j in found.indices) found[j] += part[i] * directions.content.getFloat(4 * (i * vectorSize + j))
        return found
    }

    private fun decodePart(row: Int): FloatArray {
        val found = FloatArray(dimension)
        when (kind) {
            Kind.PRODUCT -> {
                val (blocks, codes, dimensions) = entries!!.shape
                for (i in 0 until minOf(dimension, blocks * dimensions)) {
                    val code = rows.content[row * width + i / dimensions].toInt() and 0xff
                    found[i] = entries.content.getFloat(4 * ((i / dimensions * codes + code) * dimensions + i % dimensions))
                }
            }
            Kind.FLOAT32 -> for (i in found.indices) found[i] = rows.content.getFloat(4 * (row * width + i))
            else -> {
                val scale = scale(row)
                for (i in found.indices) found[i] = code(row, i) * scale
                val at = row / block
                bases?.let { base -> for (i in found.indices) found[i] += base.content[at * dimension + i] * baseScale(at) }
            }
        }
        return found
    }

    /** A function for the dot products of rows with a query. */
    fun scorer(query: FloatArray): (Int) -> Float {
        if (directions == null) return partScorer(query)
        val along = FloatArray(dimension) { i ->
            var sum = 0f
            for (j in query.indices) sum += directions.content.getFloat(4 * (i * vectorSize + j)) * query[j]
            sum
        }
        val own = partScorer(along)
        val ofRest = rest?.scorer(query) ?: return own
        return { row -> own(row) + ofRest(row) }
    }

    private fun partScorer(query: FloatArray): (Int) -> Float = when (kind) {
        Kind.PRODUCT -> products(query)
        Kind.FLOAT32 -> { row -> sum { rows.content.getFloat(4 * (row * width + it)) * query[it] } }
        else -> {
            val codes = Codes(query)
            bases?.let { withBases(query, it.content, codes) } ?: { row -> codes.dot(row) * scale(row) }
        }
    }

    /** The products of the codes of rows with a query. A row is read at once, because each access to a buffer is checked. */
    private inner class Codes(private val query: FloatArray) {
        private val content = rows.content.duplicate()
        private val bytes = ByteArray(width)

        fun dot(row: Int): Float {
            val cursor: Buffer = content // Android 7 lacks a ByteBuffer.position() of its own
            cursor.position(row * width)
            content.get(bytes)
            var sum = 0f
            if (kind == Kind.INT8) {
                for (i in query.indices) sum += bytes[i] * query[i]
            } else {
                for (i in bytes.indices) sum += ((bytes[i].toInt() and 15) - MIDDLE) * query[i]
                for (i in width until query.size) sum += ((bytes[i - width].toInt() shr 4 and 15) - MIDDLE) * query[i]
            }
            return sum
        }
    }

    private fun withBases(query: FloatArray, bases: ByteBuffer, codes: Codes): (Int) -> Float {
        val (values, step) = if (kind == Kind.INT4) rounded(query) else query to 1f
        val ofBlocks = FloatArray(size / block) { Float.NaN }
        return { row ->
            val at = row / block
            if (ofBlocks[at].isNaN()) ofBlocks[at] = sum { bases[at * dimension + it] * values[it] } * step * baseScale(at)
            codes.dot(row) * scale(row) + ofBlocks[at]
        }
    }

    /** Codes from -127 to 127 and their step, as SymmetricQuantizeFloats of TensorFlow Lite: to the nearest, halves away from zero. */
    private fun rounded(query: FloatArray): Pair<FloatArray, Float> {
        val largest = query.maxOf { abs(it) }
        if (largest == 0f) return query to 1f
        val codes = FloatArray(dimension) { i ->
            val scaled = query[i] * (MAX_CODE / largest)
            (scaled + if (scaled < 0) -0.5f else 0.5f).toInt().toFloat()
        }
        return codes to largest / MAX_CODE
    }

    private fun products(query: FloatArray): (Int) -> Float {
        val (blocks, codes, dimensions) = entries!!.shape
        val table = FloatArray(blocks * codes) { entry ->
            var sum = 0f
            for (i in 0 until dimensions) {
                val at = entry / codes * dimensions + i
                if (at < dimension) sum += entries.content.getFloat(4 * (entry * dimensions + i)) * query[at]
            }
            sum
        }
        return { row ->
            var sum = 0f
            for (i in 0 until blocks) sum += table[i * codes + (rows.content[row * width + i].toInt() and 0xff)]
            sum
        }
    }

    private inline fun sum(term: (Int) -> Float): Float {
        var sum = 0f
        for (i in 0 until dimension) sum += term(i)
        return sum
    }

    private fun code(row: Int, i: Int): Float {
        if (kind == Kind.INT8) return rows.content[row * width + i].toFloat()
        val pair = rows.content[row * width + i % width].toInt() and 0xff
        return (if (i < width) pair and 15 else pair shr 4) - MIDDLE
    }

    private fun scale(row: Int): Float {
        val steps = checkNotNull(steps)
        return unit * if (steps.type == UINT8) (steps.content[row].toInt() and 0xff).toFloat() else steps.content.getFloat(4 * row)
    }

    private fun baseScale(at: Int) = baseSteps!!.content.getFloat(4 * at)

    companion object {
        /** Rows of which some directions are scanned, and the rest are read for the best ones only; null if rows are not split. */
        private fun split(found: Map<String, Constant>, searched: Constant, dimension: Int): StoredRows? {
            val (scanned, further) = listOf("scanned_directions", "rest_directions").map { found[it] ?: return null }
            val finer = found.filterKeys { it in FINER } + listOfNotNull(found["fine_unit"]?.let { "unit" to it })
            val rest = StoredRows(finer, searched, dimension, further).takeIf { it.kind != null } ?: return null
            return StoredRows(found.filterKeys { it !in FINER }, searched, dimension, scanned, rest)
        }

        private val FINER = setOf("fine_rows", "fine_steps")

        /**
         * Finds the rows of a model.
         *
         * @throws SearcherException The rows are not found, so that filters cannot be served; or the model is damaged.
         */
        fun of(file: SearcherFile, dimension: Int): StoredRows {
            val found = constants(file.model, "search_embedding", file.name)
            val searched = (found["residuals"] ?: found["rows"])?.takeIf { it.shape.size == 3 }
            val rows = searched?.let { split(found, it, dimension) ?: StoredRows(found, it, dimension) }?.takeIf { it.kind != null }
            return rows ?: throw SearcherException(
                "${file.name}: the rows of its index are not found, so no filter can be served; update the app, or build the file again.",
            )
        }
    }
}
