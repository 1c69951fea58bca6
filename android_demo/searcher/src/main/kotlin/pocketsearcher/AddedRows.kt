package pocketsearcher

import kotlin.math.abs
import kotlin.math.max

private const val MOST_CODE = 127f

/**
 * The embeddings of added items: int8 codes and a scale for each, or float32 where the searcher keeps such rows, too.
 *
 * The arrays only grow: who knows that there are n rows reads the first n, while a writer appends.
 *
 * @param exact Whether rows are float32.
 */
internal class AddedRows private constructor(
    val dimension: Int,
    val exact: Boolean,
    private val codes: ByteArray,
    private val floats: FloatArray,
    private val scales: FloatArray,
    private val norms: FloatArray,
) {
    constructor(dimension: Int, exact: Boolean) : this(dimension, exact, ByteArray(0), FloatArray(0), FloatArray(0), FloatArray(0))

    private val capacity get() = norms.size

    /** The same with a place for a row more; the old ones are read by those who have them. */
    fun withSpaceFor(rows: Int): AddedRows {
        if (rows <= capacity) return this
        val grown = max(max(2L * capacity, rows.toLong()), FIRST_CAPACITY.toLong())
        val values = minOf(grown * dimension, Int.MAX_VALUE.toLong() / dimension * dimension)
        require(rows.toLong() * dimension <= values) { "there is no space for more added items; fold them in with maker index --update." }
        val space = (values / dimension).toInt()
        return AddedRows(
            dimension,
            exact,
            if (exact) codes else codes.copyOf(values.toInt()),
            if (exact) floats.copyOf(values.toInt()) else floats,
            scales.copyOf(space),
            norms.copyOf(space),
        )
    }

    /** Writes a row, rounded if rows are: halves to the even code. */
    fun put(row: Int, vector: FloatArray) {
        if (exact) {
            vector.copyInto(floats, row * dimension)
            scales[row] = 1f
        } else {
            val scale = (vector.maxOfOrNull { abs(it) } ?: 0f) / MOST_CODE
            put(row, if (scale == 0f) 1f else scale) { i ->
                Math.rint((vector[i] / scales[row]).toDouble()).coerceIn(-MOST_CODE.toDouble(), MOST_CODE.toDouble()).toInt().toByte()
            }
        }
        norms[row] = norm(row)
    }

    /** Writes a row of codes. */
    fun put(row: Int, scale: Float, code: (Int) -> Byte) {
        scales[row] = scale
        for (i in 0 until dimension) codes[row * dimension + i] = code(i)
        norms[row] = norm(row)
    }

    fun scale(row: Int) = scales[row]

    fun code(row: Int, i: Int) = codes[row * dimension + i]

    /** A value of a row. */
    fun value(row: Int, i: Int): Float = if (exact) floats[row * dimension + i] else codes[row * dimension + i] * scales[row]

    fun decode(row: Int) = FloatArray(dimension) { value(row, it) }

    /** A function for the distances of rows from a query, which is not rounded. */
    fun distances(query: FloatArray, squared: Boolean): (Int) -> Float {
        if (!squared) return { row -> -dot(row, query) }
        var length = 0f
        for (value in query) length += value * value
        return { row -> max(length - 2 * dot(row, query) + norms[row], 0f) }
    }

    private fun norm(row: Int): Float {
        var sum = 0f
        for (i in 0 until dimension) value(row, i).let { sum += it * it }
        return sum
    }

    /** With four sums, which do not wait for each other. */
    fun dot(row: Int, query: FloatArray): Float {
        val start = row * dimension
        val whole = dimension and 3.inv()
        var (a, b) = 0f to 0f
        var (c, d) = 0f to 0f
        if (exact) {
            for (i in 0 until whole step 4) {
                a += floats[start + i] * query[i]
                b += floats[start + i + 1] * query[i + 1]
                c += floats[start + i + 2] * query[i + 2]
                d += floats[start + i + 3] * query[i + 3]
            }
            for (i in whole until dimension) a += floats[start + i] * query[i]
            return a + b + (c + d)
        }
        for (i in 0 until whole step 4) {
            a += codes[start + i] * query[i]
            b += codes[start + i + 1] * query[i + 1]
            c += codes[start + i + 2] * query[i + 2]
            d += codes[start + i + 3] * query[i + 3]
        }
        for (i in whole until dimension) a += codes[start + i] * query[i]
        return (a + b + (c + d)) * scales[row]
    }

    private companion object {
        const val FIRST_CAPACITY = 64
    }
}
