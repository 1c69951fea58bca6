package pocketsearcher

import org.json.JSONException
import org.json.JSONObject

/** The facts in a file. A column is read when it is first asked for. */
internal class StoredFacts(private val file: Parts, override val items: Int) : FactsPart {
    private val described: Map<String, JSONObject>
    override val types: Map<String, String>

    private val columns = HashMap<String, Column>()

    init {
        described = if (LIST in file) checked("the list") { list() } else emptyMap()
        types = described.mapValues { it.value.getString("type") }.filterValues { it in Facts.TYPES } // a newer release may have others
    }

    private fun list(): Map<String, JSONObject> {
        val json = JSONObject(String(file.part(LIST).bytes(), Charsets.UTF_8))
        val count = json.getInt("items")
        require(count == items) { "$count items, the manifest has $items" }
        val listed = json.getJSONArray("columns").orEmpty().onEach { it.getString("type") }
        return listed.associateByTo(LinkedHashMap()) { it.getString("name") }
    }

    @Synchronized
    override fun read(name: String): Column = columns.getOrPut(name) { checked("'$name'") { read(described.getValue(name)) } }

    private fun read(column: JSONObject): Column {
        val type = column.getString("type")
        val data = file.part(DATA)

        fun array(part: String, size: Int? = null) = StoredArray.at(data, column.getJSONObject(part), size)

        if (type == Facts.NUMBER || type == Facts.TIME) {
            val values = array("values", items)
            val known = if (column.has("known")) array("known", (items + 7) / 8).bytes() else null
            return Numbers(DoubleArray(items, values::double), known, type == Facts.TIME)
        }
        val (offsets, content) = array("offsets") to array("words").bytes()
        require(offsets.ascendsTo(content.size)) { "its texts do not ascend" }
        val words = SortedTexts(IntArray(offsets.size, offsets::int), content)
        if (type == Facts.TEXT) {
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
        return SearcherException("${file.name}: the facts are damaged ($what: $reason); ${file.advice}", error)
    }

    companion object {
        const val LIST = "facts.json"
        const val DATA = "facts.bin"
        private const val LONGEST_SHOWN = 80
    }
}
