package pocketsearcher

import java.util.Date

private const val MOST_EXACT = 9_007_199_254_740_992.0 // whole numbers up to this one are exact

/**
 * The facts of added items. A column is made once, when it is first asked for.
 *
 * @param items The number of numbers that were given, those of removed items, too.
 * @param values For each item that there is, counted from the first that was added, its values as [Column.value] gives them.
 */
internal class AddedFacts(
    override val items: Int,
    override val types: Map<String, String>,
    private val values: List<Pair<Int, Map<String, Any>>>,
) : FactsPart {
    private val columns = HashMap<String, Column>()

    @Synchronized
    override fun read(name: String): Column = columns.getOrPut(name) {
        val known = arrayOfNulls<Any>(items)
        for ((item, facts) in values) known[item] = facts[name]
        columnOf(types.getValue(name), known)
    }
}

/** The facts of an item as columns store them, and the types of its columns. */
internal class CheckedFacts(val values: Map<String, Any>, val types: Map<String, String>)

/**
 * Checks the facts of an item.
 *
 * @param facts Values by column; null where nothing is known.
 * @param types Types of the columns that exist. Others get the type of their value.
 * @throws IllegalArgumentException A value does not fit its column.
 */
internal fun checked(facts: Map<String, Any?>, types: Map<String, String>): CheckedFacts {
    val (values, found) = LinkedHashMap<String, Any>() to LinkedHashMap<String, String>()
    for ((name, value) in facts) {
        require(name.isNotEmpty()) { "facts: a column has no name." }
        if (value == null) continue
        val type = types[name] ?: typeOf(value)
        found[name] = type
        values[name] = try {
            stored(type, value)
        } catch (error: IllegalArgumentException) {
            val expected = when (type) {
                Facts.NUMBER -> "a number"
                Facts.TIME -> "a Date, or a date or time in a text"
                Facts.TEXT -> "a text"
                else -> "several texts"
            }
            throw IllegalArgumentException("facts: '$name' is ${shown(value).take(60)}, expected $expected (${error.message}).", error)
        }
    }
    return CheckedFacts(values, found)
}

private fun typeOf(value: Any): String = when (value) {
    is Number -> Facts.NUMBER
    is Date -> Facts.TIME
    is String -> Facts.TEXT
    else -> Facts.TAGS
}

private fun stored(type: String, value: Any): Any = when (type) {
    Facts.NUMBER -> (value as? Number ?: wrong(value)).toDouble().also {
        require(Math.abs(it) <= MOST_EXACT) { "it is not finite, or too large to be exact; store it as a text" }
    }
    Facts.TIME -> when (value) {
        is Date -> Math.floorDiv(value.time, 1000L)
        is String -> spanOf(value).first
        else -> wrong(value)
    }
    Facts.TEXT -> text(value)
    else -> (value as? Iterable<*> ?: wrong(value)).map { text(it!!) }.toSortedSet().toList()
}

private fun text(value: Any): String = (value as? String ?: wrong(value)).also {
    require(Charsets.UTF_8.newEncoder().canEncode(it)) { "it has half a surrogate pair" }
}

private fun wrong(value: Any): Nothing = throw IllegalArgumentException("it is a ${value.javaClass.simpleName}")
