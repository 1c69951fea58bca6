package pocketsearcher

/** The facts of one name, of all items. */
internal sealed interface Column {
    /** `number`, `time`, `text` or `tags`. */
    val type: String

    /** The value of an item: a [Double], seconds as a [Long], a text or a list of tags; null where nothing is known. */
    fun value(item: Int): Any?
}

/**
 * Numbers, or times in seconds since 1970.
 *
 * @property values 0 where nothing is known.
 * @param known A bit per item, the lowest of each byte first; null if all are known.
 */
internal class Numbers(val values: DoubleArray, val known: ByteArray?, val time: Boolean = false) : Column {
    override val type get() = if (time) Facts.TIME else Facts.NUMBER

    override fun value(item: Int): Any? = if (!isKnown(item)) null else if (time) values[item].toLong() else values[item]

    fun isKnown(item: Int) = known == null || known[item shr 3].toInt() shr (item and 7) and 1 == 1

    /** The same items with other numbers. */
    fun map(change: (Double) -> Double) = Numbers(DoubleArray(values.size) { change(values[it]) }, known)
}

/**
 * Texts.
 *
 * @property codes The number of the text of each item; `words.size` where nothing is known.
 */
internal class Texts(val words: SortedTexts, val codes: IntArray) : Column {
    override val type get() = Facts.TEXT

    override fun value(item: Int): Any? = codes[item].takeIf { it < words.size }?.let { words[it] }
}

/**
 * Sets of texts.
 *
 * @property starts Where the tags of each item begin in [codes], and their end.
 * @property codes The numbers of the tags.
 */
internal class Tags(val words: SortedTexts, val starts: IntArray, val codes: IntArray) : Column {
    override val type get() = Facts.TAGS

    override fun value(item: Int): Any? = (starts[item] until starts[item + 1]).map { words[codes[it]] }.ifEmpty { null }
}

/** Distinct texts, ascending by their UTF-8 bytes: text i is bytes `offsets[i]` to `offsets[i + 1]`. */
internal class SortedTexts(val offsets: IntArray, val content: ByteArray) {
    val size get() = offsets.size - 1

    operator fun get(number: Int) = String(content, offsets[number], offsets[number + 1] - offsets[number], Charsets.UTF_8)

    /** How many texts are below this one. */
    fun below(text: String): Int {
        val wanted = text.toByteArray()
        var low = 0
        var high = size
        while (low < high) {
            val middle = (low + high) / 2
            if (compare(middle, wanted) < 0) low = middle + 1 else high = middle
        }
        return low
    }

    /** The number of this text; null if it is not among them. */
    fun numberOf(text: String): Int? = below(text).takeIf { it < size && compare(it, text.toByteArray()) == 0 }

    /** Whether text [number] contains another, letter for letter. */
    fun contains(number: Int, part: ByteArray): Boolean =
        (offsets[number]..offsets[number + 1] - part.size).any { start -> part.indices.all { content[start + it] == part[it] } }

    private fun compare(number: Int, wanted: ByteArray): Int {
        val (start, length) = offsets[number] to offsets[number + 1] - offsets[number]
        for (i in 0 until minOf(length, wanted.size)) {
            val apart = (content[start + i].toInt() and 0xff) - (wanted[i].toInt() and 0xff)
            if (apart != 0) return apart
        }
        return length - wanted.size
    }

    companion object {
        /** The distinct texts among some. */
        fun of(texts: Iterable<String>): SortedTexts {
            val encoded = texts.toSet().map { it.toByteArray() }.sortedWith(::compareUtf8)
            val offsets = IntArray(encoded.size + 1)
            encoded.forEachIndexed { i, text -> offsets[i + 1] = offsets[i] + text.size }
            val content = ByteArray(offsets.last())
            encoded.forEachIndexed { i, text -> text.copyInto(content, offsets[i]) }
            return SortedTexts(offsets, content)
        }
    }
}

/** Compares texts by their UTF-8 bytes, which is by their code points. */
internal fun compareUtf8(one: ByteArray, other: ByteArray): Int {
    for (i in 0 until minOf(one.size, other.size)) {
        val apart = (one[i].toInt() and 0xff) - (other[i].toInt() and 0xff)
        if (apart != 0) return apart
    }
    return one.size - other.size
}

/** A column of a type from the values of its items, as [Column.value] gives them. */
@Suppress("UNCHECKED_CAST")
internal fun columnOf(type: String, values: Array<Any?>): Column {
    if (type == Facts.TEXT) {
        val words = SortedTexts.of(values.mapNotNull { it as String? })
        return Texts(words, IntArray(values.size) { item -> values[item]?.let { words.numberOf(it as String)!! } ?: words.size })
    }
    if (type == Facts.TAGS) {
        val tags = values.map { it as List<String>? ?: emptyList() }
        val words = SortedTexts.of(tags.flatten())
        val codes = tags.map { of -> of.map { words.numberOf(it)!! }.distinct().sorted() }
        val starts = IntArray(values.size + 1)
        codes.forEachIndexed { item, of -> starts[item + 1] = starts[item] + of.size }
        return Tags(words, starts, codes.flatten().toIntArray())
    }
    val known = ByteArray((values.size + 7) / 8)
    values.forEachIndexed { item, value -> if (value != null) known[item shr 3] = (known[item shr 3].toInt() or (1 shl (item and 7))).toByte() }
    val numbers = DoubleArray(values.size) { (values[it] as Number? ?: 0).toDouble() }
    return Numbers(numbers, known.takeIf { values.any { it == null } }, type == Facts.TIME)
}

/** A column in which nothing is known of any item. */
internal fun absent(type: String, items: Int): Column = columnOf(type, arrayOfNulls(items))
