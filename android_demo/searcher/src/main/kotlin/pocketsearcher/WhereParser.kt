package pocketsearcher

private const val LONGEST = 100_000 // characters
private const val DEEPEST = 100 // nested brackets and `not`s
private const val SPACE = "[\\s\\p{Z}]*"
private val TOKEN = Regex(
    SPACE + "(?:" + listOf(
        "([0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?(?![\\p{L}\\p{N}_\\-]))",
        "(-?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
        "('[^'\\\\]*+(?:\\\\[\\s\\S][^'\\\\]*+)*+'|\"[^\"\\\\]*+(?:\\\\[\\s\\S][^\"\\\\]*+)*+\")",
        "`([^`]+)`",
        "([\\p{L}\\p{Nl}\\p{No}_][\\p{L}\\p{N}_]*)",
        "(==|!=|<=|>=|<|>|=|\\(|\\)|,)",
        "(\\z)",
    ).joinToString("|") + ")",
)
private val ESCAPED = Regex("\\\\([\\s\\S])")
private val KILOMETRES = mapOf("km" to 1.0, "m" to 0.001, "mi" to 1.609344)
private val WORDS = setOf("and", "or", "not", "in")

private enum class Kind { DATE, NUMBER, TEXT, QUOTED, NAME, SIGN, END }

private class Token(val kind: Kind, val text: String, val place: Int)

private class ColumnName(val name: String)

/**
 * Reads filters such as `year >= 2024 and album == 'Norway' and 'beach' in tags`.
 *
 * ```
 * filter     = all {"or" all}
 * all        = one {"and" one}
 * one        = "not" one | "(" filter ")" | "missing" "(" column ")" | near | in | comparison
 * near       = "near" "(" column "," column "," number "," number "," number ("km" | "m" | "mi") ")"
 * in         = text ["not"] "in" column | column ["not"] "in" "(" value {"," value} ")"
 * comparison = operand operator operand {operator operand}     a column and values: `2020 <= year < 2024`
 * column     = name | `name` | ("year" | "month" | "day") "(" column ")"
 * value      = number | text | date
 * ```
 */
internal class WhereParser private constructor(private val text: String) {
    private val tokens = ArrayList<Token>()
    private var at = 0
    private var depth = 0

    init {
        require(text.codePointCount(0, text.length) <= LONGEST) { "where has more than $LONGEST characters." }
        var place = 0
        do {
            val found = TOKEN.find(text, place)?.takeIf { it.range.first == place }
                ?: fail("this character starts nothing that is known", place + text.drop(place).takeWhile { it.isWhitespace() }.length)
            val group = (1..Kind.entries.size).first { found.groups[it] != null }
            val content = found.groupValues[group]
            place = found.range.last + 1
            tokens += Token(Kind.entries[group - 1], content, place - content.length - if (group == Kind.QUOTED.ordinal + 1) 1 else 0)
        } while (tokens.last().kind != Kind.END)
    }

    private fun filter(): Condition = any().also { if (peek.kind != Kind.END) fail("expected 'and', 'or' or the end") }

    private fun any(): Condition {
        val conditions = arrayListOf(all())
        while (taken("or")) conditions += all()
        return conditions.singleOrNull() ?: AnyOf(conditions)
    }

    private fun all(): Condition {
        val conditions = arrayListOf(one())
        while (taken("and")) conditions += one()
        return conditions.singleOrNull() ?: All(conditions)
    }

    private fun one(): Condition {
        if (++depth > DEEPEST) fail("it is nested deeper than $DEEPEST")
        return when {
            taken("not") -> Not(one())
            taken("(") -> any().also { need(")") }
            called("missing") -> Missing(column()).also { need(")") }
            called("near") -> near()
            else -> comparison()
        }.also { depth-- }
    }

    private fun near(): Condition {
        val latitude = column()
        need(",")
        val longitude = column()
        val (north, east, distance) = List(3) {
            need(",")
            number()
        }
        val unit = KILOMETRES[peek.text].takeIf { peek.kind == Kind.NAME }
            ?: fail("near needs a unit, one of ${KILOMETRES.keys.joinToString()}")
        at++
        need(")")
        return Near(latitude, longitude, north to east, distance * unit)
    }

    private fun comparison(): Condition {
        var left = operand()
        val negated = taken("not")
        if (negated || peek.kind == Kind.NAME && peek.text == "in") {
            need("in")
            return among(left, negated)
        }
        val conditions = ArrayList<Condition>()
        while (peek.kind == Kind.SIGN) {
            if (peek.text == "=") fail("expected == to compare")
            val sign = Comparison.entries.find { it.sign == peek.text } ?: break
            at++
            val right = operand()
            conditions += compared(left, sign, right)
            left = right
        }
        if (conditions.isEmpty()) fail("expected a comparison (${Comparison.entries.joinToString(" ") { it.sign }} in)")
        return conditions.singleOrNull() ?: All(conditions)
    }

    private fun compared(left: Any, sign: Comparison, right: Any): Condition = when {
        left is ColumnName && right !is ColumnName -> Compare(left.name, sign, right)
        right is ColumnName && left !is ColumnName -> Compare(right.name, sign.swapped(), left)
        else -> {
            val what = if (left is ColumnName) "two columns" else "two values"
            fail("a comparison of $what; expected a column and a value (a text stands in quotes)", tokens[at - 1].place)
        }
    }

    private fun among(left: Any, negated: Boolean): Condition {
        if (left !is ColumnName) {
            val place = tokens[at].place
            val name = column()
            return Has(name, left as? String ?: fail("expected a text in quotes before 'in'", place), negated)
        }
        need("(")
        val choices = ArrayList<Condition>()
        do {
            val value = operand()
            if (value is ColumnName) fail("expected a value; a text stands in quotes", tokens[at - 1].place)
            choices += Compare(left.name, if (negated) Comparison.OTHER else Comparison.EQUAL, value)
        } while (taken(","))
        need(")")
        return if (negated) All(choices) else AnyOf(choices)
    }

    /** A [ColumnName], a text or a number. */
    private fun operand(): Any = when (peek.kind) {
        Kind.NAME, Kind.QUOTED -> ColumnName(column())
        Kind.NUMBER -> number()
        Kind.TEXT -> ESCAPED.replace(tokens[at++].text.drop(1).dropLast(1)) { it.groupValues[1] }
        Kind.DATE -> tokens[at++].text
        else -> fail("expected a column or a value")
    }

    private fun column(): String {
        for (part in TimePart.names) {
            if (called(part)) return "$part(${column()})".also { need(")") }
        }
        val (kind, name) = peek.kind to peek.text
        if (kind != Kind.QUOTED && (kind != Kind.NAME || name in WORDS)) fail("expected the name of a column")
        at++
        return name
    }

    private fun number(): Double = if (peek.kind == Kind.NUMBER) tokens[at++].text.toDouble() else fail("expected a number")

    private val peek get() = tokens[at]

    private fun taken(word: String): Boolean {
        val found = (peek.kind == Kind.NAME || peek.kind == Kind.SIGN) && peek.text == word
        if (found) at++
        return found
    }

    /** Takes a name and the bracket behind it. */
    private fun called(name: String): Boolean {
        if (!taken(name)) return false
        val found = taken("(")
        if (!found) at--
        return found
    }

    private fun need(word: String) {
        if (!taken(word)) fail("expected '$word'")
    }

    private fun fail(problem: String, place: Int = peek.place): Nothing {
        val character = text.codePointCount(0, place) + 1
        throw IllegalArgumentException(
            "where: $problem, found '${text.drop(place).take(20)}' at character $character of '${text.take(80)}'.",
        )
    }

    companion object {
        /**
         * The condition that a filter states.
         *
         * @throws IllegalArgumentException The text is not a filter; the message shows the place.
         */
        fun parse(text: String): Condition = WhereParser(text).filter()
    }
}
