package pocketsearcher

import org.json.JSONException
import org.json.JSONObject

/** Which words are in the texts of which items; docs/format.md specifies it. */
internal class LexicalIndex private constructor(private val lengths: StoredArray, private val blocks: List<Block>) {
    /** The mean number of different words of an item, at least 1. */
    val meanLength = maxOf(if (lengths.size == 0) 1.0 else (0 until lengths.size).sumOf { lengths.long(it) }.toDouble() / lengths.size, 1.0)

    /** The number of items. */
    val items get() = lengths.size

    /** The number of different words of an item. */
    fun length(item: Int): Int = lengths.int(item)

    /** The items with a word. */
    fun postings(term: Int) = Postings(blocks.map { it.with(term) })

    private class Block(private val terms: StoredArray, private val starts: StoredArray, private val postings: StoredArray) {
        fun with(term: Int): Slice {
            val at = firstNotBelow(0, terms.size) { terms.long(it) < term.toLong().and(0xffffffffL) }
            if (at == terms.size || terms.int(at) != term) return Slice(postings, 0, 0)
            return Slice(postings, starts.int(at), starts.int(at + 1))
        }
    }

    companion object {
        const val LIST = "lexical.json"
        const val DATA = "lexical.bin"
        const val BLOCK = 1 shl 16 // items

        /** @throws SearcherException The index is damaged, or is that of other items. */
        fun of(file: SearcherFile, items: Int): LexicalIndex =
            try {
                read(file, items)
            } catch (error: JSONException) {
                throw damaged(file.name, error)
            } catch (error: IllegalArgumentException) {
                throw damaged(file.name, error)
            }

        private fun read(file: SearcherFile, items: Int): LexicalIndex {
            val listed = JSONObject(String(file.part(LIST).bytes(), Charsets.UTF_8))
            val data = file.part(DATA)
            val blocks = listed.getJSONArray("blocks").orEmpty()
            require(blocks.size == (items + BLOCK - 1) / BLOCK) { "${blocks.size} blocks for $items items" }
            val lengths = StoredArray.at(data, listed.getJSONObject("lengths"), items)
            return LexicalIndex(
                lengths,
                blocks.mapIndexed { number, block ->
                    val (terms, starts, postings) =
                        listOf("terms", "starts", "postings").map { StoredArray.at(data, block.getJSONObject(it)) }
                    val whole = starts.size == terms.size + 1 && starts.ascendsTo(postings.size)
                    require(whole && postings.staysBelow(items - number * BLOCK)) { "the postings of block $number" }
                    Block(terms, starts, postings)
                },
            )
        }

        private fun damaged(file: String, error: Exception): SearcherException {
            val reason = error.message.orEmpty().lineSequence().first().take(80)
            return SearcherException("$file: the index of words is damaged ($reason); copy the file again, or build it again.", error)
        }
    }
}

/** The items with a word, block by block, ascending. */
internal class Postings(private val slices: List<Slice>) {
    /** Their number. */
    val total = slices.sumOf { it.size }

    operator fun contains(item: Int): Boolean = item % LexicalIndex.BLOCK in slices[item / LexicalIndex.BLOCK]

    inline fun each(use: (Int) -> Unit) = slices.forEachIndexed { block, slice ->
        for (i in 0 until slice.size) use(block * LexicalIndex.BLOCK + slice[i])
    }
}

/** A part of an ascending array. */
internal class Slice(private val array: StoredArray, private val from: Int, private val to: Int) {
    val size get() = to - from

    operator fun get(i: Int): Int = array.int(from + i)

    operator fun contains(value: Int): Boolean {
        val at = firstNotBelow(from, to) { array.int(it) < value }
        return at < to && array.int(at) == value
    }
}

/** The first place from [from] to before [to] that is not below what is looked for; [to] if all are. */
private inline fun firstNotBelow(from: Int, to: Int, below: (Int) -> Boolean): Int {
    var (low, high) = from to to
    while (low < high) {
        val middle = (low + high) ushr 1
        if (below(middle)) low = middle + 1 else high = middle
    }
    return low
}
