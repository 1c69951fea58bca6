package pocketsearcher

private const val MOST_EXACT = 9_007_199_254_740_992.0 // whole numbers up to this one are exact
private val CODES = listOf("<u1" to 0xffL, "<u2" to 0xffffL, "<u4" to 0xffffffffL)
private val INTEGERS = listOf("<i1" to 7, "<i2" to 15, "<i4" to 31, "<i8" to 63)

/**
 * The contents of `facts.json` and `facts.bin` for the facts of [items] items; the same bytes as Python's (task/format/facts.py).
 *
 * @param columns The columns by name, in the order of the file.
 */
internal fun encodeFacts(columns: Map<String, Column>, items: Int): Pair<ByteArray, ByteArray> {
    val data = ArraysWriter()
    val described = columns.map { (name, column) ->
        val arrays = when (column) {
            is Numbers -> {
                val type = narrowest(column.values)
                val values = data.put(items, type) { if (type[1] == 'i') column.values[it].toLong() else column.values[it] }
                listOf("values" to values) + listOfNotNull(column.known?.let { "known" to data.put(it) })
            }
            is Texts -> words(data, column.words) + codes(data, column.words, column.codes)
            is Tags -> words(data, column.words) + ("starts" to data.put(items + 1, "<u4") { column.starts[it] }) +
                codes(data, column.words, column.codes)
        }
        val fields = listOf("name" to quoted(name), "type" to quoted(column.type)) + arrays
        fields.joinToString(", ", "{", "}") { (key, value) -> "\"$key\": $value" }
    }
    val listed = """{"items": $items, "columns": [${described.joinToString(", ")}]}""" + "\n"
    return listed.toByteArray() to data.content
}

private fun words(data: ArraysWriter, words: SortedTexts): List<Pair<String, String>> =
    listOf("words" to data.put(words.content), "offsets" to data.put(words.size + 1, "<u4") { words.offsets[it] })

private fun codes(data: ArraysWriter, words: SortedTexts, codes: IntArray): Pair<String, String> {
    val (type, _) = CODES.first { words.size <= it.second }
    return "codes" to data.put(codes.size, type) { codes[it] }
}

/** The smallest type that holds all numbers exactly. */
private fun narrowest(values: DoubleArray): String {
    if (values.any { Math.abs(it) > MOST_EXACT }) return "<f8"
    if (values.all { it == Math.rint(it) }) {
        for ((type, bits) in INTEGERS) {
            val end = Math.scalb(1.0, bits)
            if (values.all { it >= -end && it < end }) return type
        }
    }
    return if (values.all { it == it.toFloat().toDouble() }) "<f4" else "<f8"
}

/** A text in JSON as Python writes it, which escapes only what has to be. */
internal fun quoted(text: String): String {
    val found = StringBuilder("\"")
    for (character in text) {
        when (character) {
            '"' -> found.append("\\\"")
            '\\' -> found.append("\\\\")
            '\n' -> found.append("\\n")
            '\r' -> found.append("\\r")
            '\t' -> found.append("\\t")
            '\b' -> found.append("\\b")
            '\u000c' -> found.append("\\f")
            else -> if (character < ' ') found.append("\\u00%02x".format(java.util.Locale.ROOT, character.code)) else found.append(character)
        }
    }
    return found.append('"').toString()
}
