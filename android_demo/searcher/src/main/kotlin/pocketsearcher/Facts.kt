package pocketsearcher

import java.util.BitSet

/** The facts of some of the items, those with consecutive numbers. */
internal interface FactsPart {
    /** The number of these items. */
    val items: Int

    /** The type of each column: `number`, `time`, `text` or `tags`. */
    val types: Map<String, String>

    /** A column of [types]. */
    fun read(name: String): Column
}

/**
 * What is known about all items, part by part in the order of their numbers.
 *
 * @throws IllegalArgumentException A column has two types.
 */
internal class Facts(parts: List<FactsPart>) {
    /** The type of each column of all parts. */
    val types = LinkedHashMap<String, String>().apply {
        for (part in parts) {
            for ((name, type) in part.types) {
                val known = getOrPut(name) { type }
                require(known == type) { "the column '$name' has type $known in the searcher and $type among the added items." }
            }
        }
    }

    private val views = parts.map { FactsView(it, types) }

    /** The items that meet a condition. */
    fun matching(condition: Condition): BitSet {
        val found = BitSet()
        each { view, start -> condition.items(view).each { found.set(start + it) } }
        return found
    }

    /** The value of each column for an item, of those that are known: a number, seconds since 1970, a text or a list of tags. */
    fun of(item: Int): Map<String, Any> {
        val found = LinkedHashMap<String, Any>()
        each { view, start ->
            if (item - start in 0 until view.items) {
                for (name in view.part.types.keys) view.part.read(name).value(item - start)?.let { found[name] = it }
            }
        }
        return found
    }

    /** Calls [use] with each part and the number of its first item. */
    inline fun each(use: (FactsView, Int) -> Unit) {
        var start = 0
        for (view in views) {
            use(view, start)
            start += view.items
        }
    }

    companion object {
        const val NUMBER = "number"
        const val TIME = "time"
        const val TEXT = "text"
        const val TAGS = "tags"
        val TYPES = setOf(NUMBER, TIME, TEXT, TAGS)
        private val PART = Regex("(${TimePart.names.joinToString("|")})\\(([\\s\\S]*)\\)")

        /** The part and the column of `year(taken)`; null for other names. */
        fun partOf(name: String): Pair<String, String>? = PART.matchEntire(name)?.run { groupValues[1] to groupValues[2] }
    }
}

/** A part as conditions ask it: with the columns of all parts, [types], and the parts of times. */
internal class FactsView(val part: FactsPart, private val types: Map<String, String>) {
    val items get() = part.items

    /**
     * A column, or a part of a time as a column of numbers: `year(taken)`, and `year` if there is only one column of times.
     *
     * @throws IllegalArgumentException There is no such column.
     */
    fun column(name: String): Column {
        types[name]?.let { type -> return if (name in part.types) part.read(name) else absent(type, items) }
        val (unit, of) = Facts.partOf(name) ?: (name to null)
        val times = types.filterValues { it == Facts.TIME }.keys
        val isPart = unit in TimePart.names
        require(of != null || !isPart || times.size < 2) {
            "'$unit' of which time? Write $unit(${times.first()}); there are ${times.joinToString()}."
        }
        val time = of ?: times.singleOrNull().takeIf { isPart }
        require(time in types) {
            val known = types.entries.sortedBy { it.key }.take(SHOWN).joinToString { "${it.key} (${it.value})" }
            "there is no column '${(of ?: name).take(LONGEST_SHOWN)}'; known: ${known.ifEmpty { "none, the file has no facts" }}."
        }
        val column = column(time!!)
        require(column is Numbers && column.time) { "$unit($time): '$time' has ${column.type}, expected times." }
        return TimePart.of(unit).column(column)
    }

    private companion object {
        const val SHOWN = 20
        const val LONGEST_SHOWN = 80
    }
}

internal inline fun BitSet.each(use: (Int) -> Unit) {
    var item = nextSetBit(0)
    while (item >= 0) {
        use(item)
        item = nextSetBit(item + 1)
    }
}
