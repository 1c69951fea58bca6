package pocketsearcher

import java.nio.ByteBuffer

/**
 * The metadata of the items, read on demand: item i is bytes `offsets[i]` to `offsets[i + 1]`.
 *
 * @param offsets Little-endian uint32, one more than the number of items.
 */
internal class ItemTable(private val offsets: ByteBuffer, private val bytes: ByteBuffer, private val file: String) {
    /** The number of items. */
    val size = offsets.capacity() / WIDTH - 1

    init {
        if (size < 0 ||
            offsets.capacity() % WIDTH != 0 ||
            offsets.getInt(size * WIDTH) != bytes.capacity()
        ) {
            throw damaged("$OFFSETS and $BYTES")
        }
    }

    operator fun get(item: Int): ByteArray {
        require(item in 0 until size) { "$file: there is no item $item, it holds $size." }
        val start = offsets.getInt(item * WIDTH)
        val end = offsets.getInt((item + 1) * WIDTH)
        if (start < 0 || end < start || end > bytes.capacity()) throw damaged("the entry of item $item")
        return bytes.bytes(start, end - start)
    }

    /** The items whose metadata is one of [wanted], by number. */
    fun find(wanted: Set<String>): Map<Int, String> {
        val found = LinkedHashMap<Int, String>()
        val lengths = wanted.map { it.toByteArray().size }.toSet()
        for (item in 0 until size) {
            if (offsets.getInt((item + 1) * WIDTH) - offsets.getInt(item * WIDTH) !in lengths) continue
            String(this[item], Charsets.UTF_8).takeIf { it in wanted }?.let { found[item] = it }
        }
        return found
    }

    private fun damaged(what: String) = SearcherException("$file: $what cannot be right; copy the file again, or build it again.")

    companion object {
        const val OFFSETS = "items.offsets"
        const val BYTES = "items.bytes"
        private const val WIDTH = 4
    }
}
