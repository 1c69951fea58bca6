package pocketsearcher

import org.json.JSONException
import org.json.JSONObject

/** What is known about the items of a file, column by column. A column is read when it is first asked for. */
internal class Facts(private val file: SearcherFile, val items: Int) {
    private val described: Map<String, JSONObject>

    /** The type of each column: `number`, `time`, `text` or `tags`. */
    val types: Map<String, String>

    private val columns = HashMap<String, Column>()

    init {
        described = if (LIST in file) checked("the list") { list() } else emptyMap()
        types = described.mapValues { it.value.getString("type") }.filterValues { it in TYPES } // a newer release may have others
    }

    private fun list(): Map<String, JSONObject> {
        val json = JSONObject(String(file.part(LIST).bytes(), Charsets.UTF_8))
        val count = json.getInt("items")
        require(count == items) { "$count items, the manifest has $items" }
        val listed = json.getJSONArray("columns").orEmpty().onEach { it.getString("type") }
        return listed.associateByTo(LinkedHashMap()) { it.getString("name") }
    }

    /**
     * A column, or a part of a time as a column of numbers: `year(taken)`, and `year` if there is only one column of times.
     *
     * @throws IllegalArgumentException There is no such column.
     */
    fun column(name: String): Column {
        if (name in types) return stored(name)
        val (part, of) = partOf(name) ?: (name to null)
        val times = types.filterValues { it == TIME }.keys
        val isPart = part in TimePart.names
        require(of != null || !isPart || times.size < 2) {
            "'$part' of which time? Write $part(${times.first()}); there are ${times.joinToString()}."
        }
        val time = of ?: times.singleOrNull().takeIf { isPart }
        require(time in types) {
            val known = types.entries.sortedBy { it.key }.take(SHOWN).joinToString { "${it.key} (${it.value})" }
            "there is no column '${(of ?: name).take(LONGEST_SHOWN)}'; known: ${known.ifEmpty { "none, the file has no facts" }}."
        }
        val column = stored(time!!)
        require(column is Numbers && column.time) { "$part($time): '$time' has ${column.type}, expected times." }
        return TimePart.of(part).column(column)
    }

    @Synchronized
    private fun stored(name: String): Column = columns.getOrPut(name) { checked("'$name'") { read(described.getValue(name)) } }

    private fun read(column: JSONObject): Column {
        val type = column.getString("type")
        val data = file.part(DATA)

        fun array(part: String, size: Int? = null) = StoredArray.at(data, column.getJSONObject(part), size)

        if (type == NUMBER || type == TIME) {
            val values = array("values", items)
            val known = if (column.has("known")) array("known", (items + 7) / 8).bytes() else null
            return Numbers(DoubleArray(items, values::double), known, type == TIME)
        }
        val (offsets, content) = array("offsets") to array("words").bytes()
        require(offsets.ascendsTo(content.size)) { "its texts do not ascend" }
        val words = SortedTexts(IntArray(offsets.size, offsets::int), content)
        if (type == TEXT) {
            val codes = array("codes", items)
            require(codes.staysBelow(words.size + 1)) { "a text is not among its ${words.size}" }
            return Texts(words, IntArray(items, codes::int))
        }
        val (starts, codes) = array("starts", items + 1) to array("codes")
        require(codes.staysBelow(words.size) && starts.ascendsTo(codes.size)) { "a tag is not among its ${words.size}" }
        return Tags(words, IntArray(items + 1, starts::int), IntArray(codes.size, codes::int))
    }

    private fun <T> checked(what: String, read: () -> T): T =
        try {
            read()
        } catch (error: JSONException) {
            throw damaged(what, error)
        } catch (error: IllegalArgumentException) {
            throw damaged(what, error)
        }

    private fun damaged(what: String, error: Exception): SearcherException {
        val reason = error.message.orEmpty().lineSequence().first().take(LONGEST_SHOWN)
        return SearcherException("${file.name}: the facts are damaged ($what: $reason); copy the file again, or build it again.", error)
    }

    companion object {
        const val LIST = "facts.json"
        const val DATA = "facts.bin"
        const val NUMBER = "number"
        const val TIME = "time"
        const val TEXT = "text"
        const val TAGS = "tags"
        private val TYPES = setOf(NUMBER, TIME, TEXT, TAGS)
        private const val SHOWN = 20
        private const val LONGEST_SHOWN = 80
        private val PART = Regex("(${TimePart.names.joinToString("|")})\\(([\\s\\S]*)\\)")

        /** The part and the column of `year(taken)`; null for other names. */
        fun partOf(name: String): Pair<String, String>? = PART.matchEntire(name)?.run { groupValues[1] to groupValues[2] }
    }
}

/** The facts of one name, of all items. */
internal sealed interface Column {
    /** `number`, `time`, `text` or `tags`. */
    val type: String
}

/**
 * Numbers, or times in seconds since 1970.
 *
 * @property values 0 where nothing is known.
 * @param known A bit per item, the lowest of each byte first; null if all are known.
 */
internal class Numbers(val values: DoubleArray, private val known: ByteArray?, val time: Boolean = false) : Column {
    override val type get() = if (time) Facts.TIME else Facts.NUMBER

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
}

/**
 * Sets of texts.
 *
 * @property starts Where the tags of each item begin in [codes], and their end.
 * @property codes The numbers of the tags.
 */
internal class Tags(val words: SortedTexts, val starts: IntArray, val codes: IntArray) : Column {
    override val type get() = Facts.TAGS
}

/** Distinct texts, ascending by their UTF-8 bytes: text i is bytes `offsets[i]` to `offsets[i + 1]`. */
internal class SortedTexts(private val offsets: IntArray, private val content: ByteArray) {
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
}
