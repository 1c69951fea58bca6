package pocketsearcher

import java.util.BitSet
import kotlin.math.abs
import kotlin.math.asin
import kotlin.math.cos
import kotlin.math.sin
import kotlin.math.sqrt

private const val EARTH_KM = 6371.0088 // mean radius (IUGG)
private const val MOST_EXACT = 9_007_199_254_740_992.0 // whole numbers up to this one are exact

/**
 * A condition on the facts of an item.
 *
 * A comparison with something that is not known is false, whichever way it is asked, and [Not] turns that into true: an item without a
 * year meets neither `year == 2024` nor `year != 2024`, but it meets `not year == 2024`.
 */
internal sealed interface Condition {
    /**
     * The items that meet it.
     *
     * @throws IllegalArgumentException There is no such column, or it has another type than the condition asks for.
     */
    fun items(facts: FactsView): BitSet
}

/** All of some conditions hold. */
internal class All(private val conditions: List<Condition>) : Condition {
    override fun items(facts: FactsView) = conditions.map { it.items(facts) }.reduce { found, next -> found.apply { and(next) } }
}

/** At least one of some conditions holds. */
internal class AnyOf(private val conditions: List<Condition>) : Condition {
    override fun items(facts: FactsView) = conditions.map { it.items(facts) }.reduce { found, next -> found.apply { or(next) } }
}

internal class Not(private val condition: Condition) : Condition {
    override fun items(facts: FactsView) = condition.items(facts).apply { flip(0, facts.items) }
}

/** How a value compares with another. */
internal enum class Comparison(val sign: String, val holds: (Int) -> Boolean) {
    EQUAL("==", { it == 0 }),
    OTHER("!=", { it != 0 }),
    LESS("<", { it < 0 }),
    AT_MOST("<=", { it <= 0 }),
    MORE(">", { it > 0 }),
    AT_LEAST(">=", { it >= 0 }),
    ;

    /** The same with its sides changed. */
    fun swapped() = when (this) {
        LESS -> MORE
        AT_MOST -> AT_LEAST
        MORE -> LESS
        AT_LEAST -> AT_MOST
        else -> this
    }
}

/**
 * A number, time or text compares with a value, which is a text or a number.
 *
 * Texts compare by their code points. A shortened date is all of its year, month or day: `taken <= 2024-05` includes all of May.
 */
internal class Compare(private val name: String, private val comparison: Comparison, private val value: Any) : Condition {
    override fun items(facts: FactsView): BitSet = when (val column = facts.column(name)) {
        is Tags -> throw IllegalArgumentException("'$name' has tags, which do not compare; ask 'a tag' in $name.")
        is Texts -> texts(column)
        is Numbers -> if (column.time) times(column) else numbers(column)
    }

    private fun numbers(column: Numbers): BitSet {
        val number = value as? Double ?: wrong("numbers", "a number")
        return matching(column.values.size) { item ->
            val found = column.values[item]
            column.isKnown(item) && comparison.holds(if (found < number) -1 else if (found > number) 1 else 0)
        }
    }

    private fun times(column: Numbers): BitSet {
        val text = value as? String ?: wrong("times", "a date such as 2024-05-31, a year in quotes, or year(…)")
        val span = try {
            spanOf(text)
        } catch (error: IllegalArgumentException) {
            throw IllegalArgumentException("'$name' has times: ${error.message}.", error)
        }
        return matching(column.values.size) { item ->
            val time = column.values[item]
            column.isKnown(item) && comparison.holds(if (time < span.first) -1 else if (time > span.last) 1 else 0)
        }
    }

    private fun texts(column: Texts): BitSet {
        val text = value as? String ?: wrong("texts", "a text in quotes")
        val (words, codes) = column.words to column.codes
        val (place, same) = words.below(text) to words.numberOf(text)
        return matching(codes.size) { item ->
            val code = codes[item]
            code < words.size && comparison.holds(if (code == same) 0 else if (code < place) -1 else 1)
        }
    }

    private fun wrong(has: String, expected: String): Nothing =
        throw IllegalArgumentException("'$name' has $has, but is compared with ${shown(value)}; expected $expected.")
}

/** A tag is among the tags of an item, or a text contains another, letter for letter; or the contrary, if [negated]. */
internal class Has(private val name: String, private val text: String, private val negated: Boolean) : Condition {
    override fun items(facts: FactsView): BitSet = when (val column = facts.column(name)) {
        is Numbers -> throw IllegalArgumentException("'$name' has ${column.type}s, but 'in' asks for tags or a part of a text.")
        is Texts -> {
            val part = text.toByteArray()
            val found = BooleanArray(column.words.size) { column.words.contains(it, part) != negated }
            matching(facts.items) { column.codes[it] < found.size && found[column.codes[it]] }
        }
        is Tags -> {
            val tag = column.words.numberOf(text)
            val (starts, codes) = column.starts to column.codes
            matching(facts.items) { item -> (starts[item] until starts[item + 1]).any { codes[it] == tag } != negated }
        }
    }
}

/** Nothing is known in a column: no number, time or text, or not one tag. */
internal class Missing(private val name: String) : Condition {
    override fun items(facts: FactsView): BitSet = when (val column = facts.column(name)) {
        is Numbers -> matching(facts.items) { !column.isKnown(it) }
        is Texts -> matching(facts.items) { column.codes[it] == column.words.size }
        is Tags -> matching(facts.items) { column.starts[it] == column.starts[it + 1] }
    }
}

/** A place, two columns of degrees, is within a distance of another, along the surface of a sphere (haversine). */
internal class Near(
    private val latitude: String,
    private val longitude: String,
    private val at: Pair<Double, Double>,
    private val kilometres: Double,
) : Condition {
    override fun items(facts: FactsView): BitSet {
        require(at.first in -90.0..90.0 && at.second in -180.0..180.0 && kilometres >= 0 && kilometres < Double.POSITIVE_INFINITY) {
            "near: found ${at.first}, ${at.second} and $kilometres km, expected a latitude from -90 to 90, a longitude from -180 to 180 " +
                "and a distance from 0."
        }
        val (north, east) = listOf(latitude, longitude).map { name ->
            val column = facts.column(name)
            require(column is Numbers && !column.time) { "near: '$name' has ${column.type}, expected a column of numbers, degrees." }
            column
        }
        val here = Math.toRadians(at.first)
        return matching(facts.items) { item ->
            val there = Math.toRadians(north.values[item])
            val (up, along) = sin((there - here) / 2) to sin((Math.toRadians(east.values[item]) - Math.toRadians(at.second)) / 2)
            val half = up * up + cos(there) * cos(here) * along * along
            north.isKnown(item) && east.isKnown(item) && 2 * EARTH_KM * asin(sqrt(half.coerceIn(0.0, 1.0))) <= kilometres
        }
    }
}

private inline fun matching(items: Int, meets: (Int) -> Boolean) =
    BitSet(items).apply { for (item in 0 until items) if (meets(item)) set(item) }

/** A value as it is written in a filter. */
internal fun shown(value: Any): String = when (value) {
    is String -> "'${value.take(40)}'"
    is Double -> if (value == Math.rint(value) && abs(value) < MOST_EXACT) "${value.toLong()}" else "$value"
    else -> "$value"
}
