package pocketsearcher

import java.util.BitSet

/**
 * How many items have a value of a fact.
 *
 * @property value The text or tag, or the number as text.
 * @property items The number of items.
 * @property where The filter that leaves these items.
 */
data class Facet(val value: String, val items: Int, val where: String)

/**
 * Counts the values of a column among some items, the most frequent first; equal counts by value, texts by code points.
 *
 * @throws IllegalArgumentException There is no such column, or it has times, which are counted by year, month or day.
 */
internal fun Facts.counts(name: String, among: BitSet): List<Facet> {
    val counts = HashMap<Any, Int>() // by value: a number or a text
    var texts = false
    each { view, start ->
        val here = among.get(start, start + view.items)
        val column = view.column(name)
        texts = column !is Numbers
        for ((value, items) in column.counted(name, here)) counts.merge(value, items, Int::plus)
    }
    val ordered = if (texts) counts.keys.sortedWith { a, b -> compareUtf8((a as String).toByteArray(), (b as String).toByteArray()) }
    else counts.keys.sortedBy { it as Double }
    val facets = ordered.map { Facet(if (it is String) it else shown(it), counts.getValue(it), where(name, it)) }
    return facets.sortedByDescending { it.items } // it keeps the order of those with the same number
}

private fun Column.counted(name: String, among: BitSet): Map<out Any, Int> = when (this) {
    is Numbers -> {
        require(!time) { "'$name' has times; count year($name), month($name) or day($name)." }
        HashMap<Double, Int>().also { counts -> among.each { if (isKnown(it)) counts.merge(values[it] + 0.0, 1, Int::plus) } }
    }
    is Texts -> counted(words) { count -> among.each { count(codes[it]) } }
    is Tags -> counted(words) { count -> among.each { for (i in starts[it] until starts[it + 1]) count(codes[i]) } }
}

private fun counted(words: SortedTexts, each: ((Int) -> Unit) -> Unit): Map<String, Int> {
    val counts = IntArray(words.size + 1)
    each { counts[it]++ }
    return (0 until words.size).filter { counts[it] > 0 }.associate { words[it] to counts[it] }
}

private fun Facts.where(name: String, value: Any): String = when {
    value is Double -> "${written(name)} == ${shown(value)}"
    types[name] == Facts.TAGS -> "${inQuotes(value as String)} in ${written(name)}"
    else -> "${written(name)} == ${inQuotes(value as String)}"
}

private fun Facts.written(name: String): String {
    val (part, of) = Facts.partOf(name).takeIf { name !in types } ?: return "`$name`"
    return "$part(`$of`)"
}

private fun inQuotes(text: String) = "'${text.replace("\\", "\\\\").replace("'", "\\'")}'"
