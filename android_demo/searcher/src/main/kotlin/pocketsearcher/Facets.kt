package pocketsearcher

import java.util.BitSet
import java.util.TreeMap

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
    val found = when (val column = column(name)) {
        is Numbers -> {
            require(!column.time) { "'$name' has times; count year($name), month($name) or day($name)." }
            val counts = TreeMap<Double, Int>()
            among.each { item -> if (column.isKnown(item)) counts.merge(column.values[item] + 0.0, 1, Int::plus) }
            counts.map { (number, items) -> Facet(shown(number), items, "${written(name)} == ${shown(number)}") }
        }
        is Texts -> counted(column.words) { count -> among.each { count(column.codes[it]) } }.map { (text, items) ->
            Facet(text, items, "${written(name)} == ${quoted(text)}")
        }
        is Tags -> counted(column.words) { count ->
            among.each { for (i in column.starts[it] until column.starts[it + 1]) count(column.codes[i]) }
        }.map { (tag, items) -> Facet(tag, items, "${quoted(tag)} in ${written(name)}") }
    }
    return found.sortedByDescending { it.items } // it keeps the order of those with the same number
}

private fun counted(words: SortedTexts, each: ((Int) -> Unit) -> Unit): List<Pair<String, Int>> {
    val counts = IntArray(words.size + 1)
    each { counts[it]++ }
    return (0 until words.size).filter { counts[it] > 0 }.map { words[it] to counts[it] }
}

private inline fun BitSet.each(use: (Int) -> Unit) {
    var item = nextSetBit(0)
    while (item >= 0) {
        use(item)
        item = nextSetBit(item + 1)
    }
}

private fun Facts.written(name: String): String {
    val (part, of) = Facts.partOf(name).takeIf { name !in types } ?: return "`$name`"
    return "$part(`$of`)"
}

private fun quoted(text: String) = "'${text.replace("\\", "\\\\").replace("'", "\\'")}'"
