package pocketsearcher

import org.json.JSONException
import org.json.JSONObject
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32

private const val FILE = "overlay.json"
private const val CODES = "rows.i8"
private const val SCALES = "scales.f32"
private const val FLOATS = "rows.f32"
private const val IDS = "ids.i32"
private const val REMOVED = "removed.i32"
private const val FORMAT = "pocket-searcher-overlay"
private const val VERSION = 2
private const val INT8 = "int8"
private const val FLOAT32 = "float32"

/**
 * The content of an overlay file; docs/format.md specifies it.
 *
 * @property base The digest of the model of the searcher that the overlay belongs to.
 * @property baseItems The number of its items.
 * @property items The added items that were not removed, by number.
 * @property removed The items of the base that were removed, by number.
 * @property types The types of the columns of facts, in the order of the file.
 */
internal class OverlayContent(
    val base: String,
    val baseItems: Int,
    val dimension: Int,
    val nextId: Int,
    val items: List<AddedItem>,
    val removed: IntArray,
    val types: Map<String, String>,
    private val codes: ByteBuffer?,
    private val values: ByteBuffer,
) {
    /** Writes an embedding into the same row of [target]: as it was stored, or else rounded. */
    fun copyRow(row: Int, target: AddedRows) {
        if (codes != null && !target.exact) {
            target.put(row, values.getFloat(4 * row)) { codes[row * dimension + it] }
        } else {
            target.put(row, FloatArray(dimension) { value(row * dimension + it, row) })
        }
    }

    private fun value(at: Int, row: Int) = if (codes == null) values.getFloat(4 * at) else codes[at] * values.getFloat(4 * row)
}

/**
 * Writes an overlay: the same bytes as Python (task/format/overlay_file.py). The file is written under another name and renamed, so that it
 * is whole or the old one.
 *
 * @param base The digest of the model of the searcher.
 * @param indexed Whether the words of the base are indexed.
 */
internal fun writeOverlay(file: File, state: OverlayState, base: String, indexed: Boolean) {
    val temporary = File.createTempFile(".${file.name}.", ".partial", file.absoluteFile.parentFile)
    try {
        FileOutputStream(temporary).use { target ->
            encode(target.buffered(), state, base, indexed)
            target.fd.sync()
        }
        if (!temporary.renameTo(file)) throw IOException("$file: cannot be replaced by ${temporary.name}, which was written whole.")
    } finally {
        temporary.delete()
    }
}

private fun encode(target: OutputStream, state: OverlayState, base: String, indexed: Boolean) {
    val places = state.places()
    val (rows, dimension) = state.added.rows to state.added.rows.dimension
    val items = places.map { state.added[it] }
    val removed = ArrayList<Int>().apply { state.hidden.each { add(it) } }
    val zip = StoredZip(target)
    zip.add(
        FILE,
        """
        {
          "format": "$FORMAT",
          "format_version": $VERSION,
          "base": {
            "sha256": "$base",
            "items": ${state.baseItems}
          },
          "dimension": $dimension,
          "rows": "${if (rows.exact) FLOAT32 else INT8}",
          "added": ${items.size},
          "removed": ${removed.size},
          "next_id": ${state.nextId}
        }

        """.trimIndent().toByteArray(),
    )
    if (rows.exact) {
        zip.add(FLOATS, numbers(places.size * dimension) { putFloat(rows.value(places[it / dimension], it % dimension)) })
    } else {
        zip.add(CODES, ByteArray(places.size * dimension) { rows.code(places[it / dimension], it % dimension) })
        zip.add(SCALES, numbers(places.size) { putFloat(rows.scale(places[it])) })
    }
    zip.add(IDS, numbers(items.size) { putInt(items[it].id) })
    zip.add(REMOVED, numbers(removed.size) { putInt(removed[it]) })
    val ends = items.runningFold(0) { end, item -> end + item.metadata.size }
    zip.add(ItemTable.OFFSETS, numbers(ends.size) { putInt(ends[it]) })
    zip.add(ItemTable.BYTES, ByteArray(ends.last()).also { all -> items.forEachIndexed { i, item -> item.metadata.copyInto(all, ends[i]) } })
    if (state.types.isNotEmpty()) {
        val columns = state.types.mapValues { (name, type) -> columnOf(type, Array(items.size) { items[it].facts[name] }) }
        val (list, data) = encodeFacts(columns, items.size)
        zip.add(StoredFacts.LIST, list)
        zip.add(StoredFacts.DATA, data)
    }
    if (indexed && items.isNotEmpty()) {
        val (list, data) = encodeLexical(items.map { it.terms ?: IntArray(0) })
        zip.add(LexicalIndex.LIST, list)
        zip.add(LexicalIndex.DATA, data)
    }
    zip.finish()
    target.flush()
}

private fun numbers(count: Int, put: ByteBuffer.(Int) -> Unit): ByteArray =
    ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN).apply { repeat(count) { put(it) } }.array()

/**
 * Reads an overlay into memory.
 *
 * @throws SearcherException The file is not an overlay, it is damaged, or its format is newer.
 * @throws java.io.FileNotFoundException It does not exist.
 */
internal fun readOverlay(file: File): OverlayContent {
    val parts = OverlayParts(ByteBuffer.wrap(file.inputStream().use { it.readBytes() }), file.path)
    try {
        return decode(parts)
    } catch (error: JSONException) {
        throw parts.damaged("the parts contradict each other: ${error.message.orEmpty().lineSequence().first().take(LONGEST_REASON)}", error)
    } catch (error: IllegalArgumentException) {
        throw parts.damaged("the parts contradict each other: ${error.message.orEmpty().take(LONGEST_REASON)}", error)
    }
}

private const val LONGEST_REASON = 120

private fun decode(parts: OverlayParts): OverlayContent {
    val described = JSONObject(String(parts.part(FILE).bytes(), Charsets.UTF_8))
    require(described.getString("format") == FORMAT) { "the format is not $FORMAT" }
    val version = described.whole("format_version")
    if (version > VERSION) {
        throw SearcherException("${parts.name}: format version $version is newer than $VERSION, the newest that this app reads; update the app.")
    }
    val base = described.getJSONObject("base")
    val (baseItems, nextId) = base.whole("items") to described.whole("next_id")
    val (added, dimension) = described.whole("added") to described.whole("dimension")
    val last = minOf(Overlay.MOST_IDS, baseItems + Overlay.MOST_ADDED)
    require(baseItems in 0..nextId && nextId <= last) { "next_id is $nextId, expected a number from $baseItems to $last" }
    require(added >= 0 && dimension >= 0) { "there are $added rows of $dimension numbers" }
    val kind = if (version < 2) FLOAT32 else described.getString("rows")
    require(kind == INT8 || kind == FLOAT32) { "rows are $kind, expected $INT8 or $FLOAT32" }
    val codes = if (kind == INT8) parts.part(CODES).sized(CODES, added.toLong() * dimension) else null
    val values = if (codes == null) parts.part(FLOATS).sized(FLOATS, 4L * added * dimension) else parts.part(SCALES).sized(SCALES, 4L * added)
    for (i in 0 until values.capacity() / 4) {
        val value = values.getFloat(4 * i)
        require(!value.isNaN() && !value.isInfinite() && (codes == null || value > 0)) { "a number of the rows is $value" }
    }
    val ids = parts.part(IDS).ascending(IDS, added, baseItems, nextId)
    val removed = parts.part(REMOVED).ascending(REMOVED, described.whole("removed"), 0, baseItems)
    val table = ItemTable(parts.part(ItemTable.OFFSETS), parts.part(ItemTable.BYTES), parts.name)
    require(table.size == added) { "there are $added rows and the metadata of ${table.size} items" }
    val facts = StoredFacts(parts, added)
    val columns = facts.types.keys.associateWith(facts::read)
    val words = if (LexicalIndex.LIST in parts) LexicalIndex.of(parts, added).terms() else null
    val items = List(added) { row ->
        val metadata = table[row]
        val known = LinkedHashMap<String, Any>()
        for ((name, column) in columns) column.value(row)?.let { known[name] = it }
        AddedItem(ids[row], metadata, known, words?.get(row) ?: termsOf(metadata, known, emptyList()))
    }
    return OverlayContent(base.getString("sha256"), baseItems, dimension, nextId, items, removed, facts.types, codes, values)
}

private fun JSONObject.whole(key: String): Int {
    val value = get(key)
    return value as? Int ?: throw IllegalArgumentException("$key is $value, expected a whole number")
}

private fun ByteBuffer.sized(name: String, size: Long): ByteBuffer {
    require(capacity().toLong() == size) { "$name has ${capacity()} bytes, expected $size" }
    return this
}

private fun ByteBuffer.ascending(name: String, count: Int, from: Int, end: Int): IntArray {
    val numbers = IntArray(sized(name, 4L * count).capacity() / 4) { getInt(4 * it) }
    val ascends = numbers.indices.all { numbers[it] in from until end && (it == 0 || numbers[it] > numbers[it - 1]) }
    require(ascends) { "$name does not ascend from $from to below $end" }
    return numbers
}

/** The parts of an overlay file, each compared with its CRC-32. */
private class OverlayParts(content: ByteBuffer, override val name: String) : Parts {
    private val parts = HashMap<String, ByteBuffer>()
    override val advice get() = "copy the overlay again, or save it again."

    init {
        val whole = content.part(0, content.capacity())
        val entries = try {
            ZipTail.locate(whole, name)
        } catch (error: SearcherException) {
            throw damaged("its directory is damaged, or a part is compressed", error)
        }
        for ((entry, place) in entries) {
            val part = whole.part(place.offset, place.size)
            if (place.crc != CRC32().apply { update(part.bytes()) }.value.toInt()) throw damaged("$entry was changed")
            parts[entry] = part
        }
        val missing = listOf(FILE, IDS, REMOVED, ItemTable.OFFSETS, ItemTable.BYTES).firstOrNull { it !in parts }
        if (missing != null) throw damaged("$missing is missing")
    }

    override fun contains(entry: String) = entry in parts

    override fun part(entry: String): ByteBuffer = parts[entry] ?: throw damaged("$entry is missing")

    fun damaged(reason: String, cause: Exception? = null) =
        SearcherException("$name: it is no overlay file, or it is damaged ($reason); $advice", cause)
}
