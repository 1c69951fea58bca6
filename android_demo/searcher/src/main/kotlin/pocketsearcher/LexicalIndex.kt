package pocketsearcher

import org.json.JSONException
import org.json.JSONObject
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Which words are in the texts of which items; docs/format.md specifies it.
 *
 * @property common Words of so many items that they are left out.
 */
internal class LexicalIndex private constructor(
    private val lengths: StoredArray,
    private val blocks: List<Block>,
    val common: Set<Int>,
) {
    /** The number of items. */
    val items get() = lengths.size

    /** The number of different words of an item. */
    fun length(item: Int): Int = lengths.int(item)

    /** The items with a word. */
    fun postings(term: Int) = Postings(blocks.map { it.with(term) })

    /** The words of each item. */
    fun terms(): List<IntArray> {
        val found = List(items) { ArrayList<Int>() }
        blocks.forEachIndexed { number, block -> block.each { term, item -> found[number * BLOCK + item] += term } }
        return found.map { it.toIntArray() }
    }

    private class Block(private val terms: StoredArray, private val starts: StoredArray, private val postings: StoredArray) {
        inline fun each(use: (Int, Int) -> Unit) {
            for (at in 0 until terms.size) for (i in starts.int(at) until starts.int(at + 1)) use(terms.int(at), postings.int(i))
        }

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
        fun of(file: Parts, items: Int): LexicalIndex =
            try {
                read(file, items)
            } catch (error: JSONException) {
                throw damaged(file, error)
            } catch (error: IllegalArgumentException) {
                throw damaged(file, error)
            }

        /** An index of the words of items, in memory. */
        fun of(terms: List<IntArray>): LexicalIndex {
            val (list, data) = encodeLexical(terms)
            val parts = mapOf(LIST to list, DATA to data)
            return read(
                object : Parts {
                    override val name get() = "added items"
                    override val advice get() = ""

                    override fun contains(entry: String) = entry in parts

                    override fun part(entry: String) = ByteBuffer.wrap(parts.getValue(entry)).order(ByteOrder.LITTLE_ENDIAN)
                },
                terms.size,
            )
        }

        private fun read(file: Parts, items: Int): LexicalIndex {
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
                listed.optJSONObject("common")?.let { StoredArray.at(data, it) }?.run { List(size, ::int).toSet() }.orEmpty(),
            )
        }

        private fun damaged(file: Parts, error: Exception): SearcherException {
            val reason = error.message.orEmpty().lineSequence().first().take(80)
            return SearcherException("${file.name}: the index of words is damaged ($reason); ${file.advice}", error)
        }
    }
}

/** The items with a word, block by block, ascending. */
internal class Postings(private val slices: List<Slice>) {
    /** Their number. */
    val total = slices.sumOf { it.size }

    operator fun contains(item: Int): Boolean = item % LexicalIndex.BLOCK in slices[item / LexicalIndex.BLOCK]

    /** The number of those items that are as asked. */
    fun count(asked: (Int) -> Boolean): Int {
        var count = 0
        each { if (asked(it)) count++ }
        return count
    }

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

/** The contents of `lexical.json` and `lexical.bin` for the words of items, none left out; the same bytes as Python's (task/format/lexical.py). */
internal fun encodeLexical(terms: List<IntArray>): Pair<ByteArray, ByteArray> {
    val data = ArraysWriter()
    val blocks = terms.chunked(LexicalIndex.BLOCK).map { items ->
        val pairs = LongArray(items.sumOf { it.size })
        var at = 0
        items.forEachIndexed { item, of -> for (term in of) pairs[at++] = term.toLong().and(0xffffffffL) shl 16 or item.toLong() }
        pairs.sort()
        val firsts = pairs.indices.filter { it == 0 || pairs[it] shr 16 != pairs[it - 1] shr 16 }
        val places = listOf(
            "terms" to data.put(firsts.size, "<u4") { pairs[firsts[it]] shr 16 },
            "starts" to data.put(firsts.size + 1, "<u4") { if (it < firsts.size) firsts[it] else pairs.size },
            "postings" to data.put(pairs.size, "<u2") { pairs[it] and 0xffff },
        )
        places.joinToString(", ", "{", "}") { (name, place) -> "\"$name\": $place" }
    }
    val lengths = data.put(terms.size, "<u1") { minOf(terms[it].size, 255) }
    val common = data.put(0, "<u4") { 0 }
    val listed = """{"lengths": $lengths, "blocks": [${blocks.joinToString(", ")}], "common": $common}""" + "\n"
    return listed.toByteArray() to data.content
}
