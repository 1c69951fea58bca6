package pocketsearcher

private const val SECONDS_A_DAY = 86_400L
private val ISO = Regex(
    "([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?",
)

/**
 * The seconds since 1970 that an ISO date or time names, from its first to before the first after it. `2024` is a year, `2024-05-31` a day.
 *
 * `java.time` does not exist before Android 8.
 *
 * @throws IllegalArgumentException The text is no date or time.
 */
internal fun spanOf(text: String): LongRange {
    val found = requireNotNull(ISO.matchEntire(text.trim())) {
        "'${text.take(40)}' is no date such as 2024, 2024-05, 2024-05-31 or 2024-05-31T14:30:00"
    }

    fun part(number: Int) = found.groups[number]?.value?.toInt()

    val year = found.groupValues[1].toInt()
    val (month, day) = part(2) to part(3)
    val (hour, minute, second) = Triple(part(4), part(5), part(6))
    val real = year >= 1 && (month ?: 1) in 1..12 && (day ?: 1) in 1..daysOf(year, month ?: 1)
    require(real && (hour ?: 0) < 24 && (minute ?: 0) < 60 && (second ?: 0) < 60) { "'${text.take(40)}' is no date" }
    val start = daysBefore(year, month ?: 1, day ?: 1) * SECONDS_A_DAY + (hour ?: 0) * 3600 + (minute ?: 0) * 60 + (second ?: 0)
    val end = when {
        month == null -> daysBefore(year + 1, 1, 1) * SECONDS_A_DAY
        day == null -> start + daysOf(year, month) * SECONDS_A_DAY
        hour == null -> start + SECONDS_A_DAY
        second == null -> start + 60
        else -> start + 1
    }
    val shift = found.groups[7]?.value.orEmpty().let { zone ->
        val digits = zone.filter(Char::isDigit)
        if (digits.isEmpty()) 0 else (digits.take(2).toInt() * 3600 + digits.drop(2).toInt() * 60) * if (zone[0] == '-') -1 else 1
    }
    return start - shift until end - shift
}

/** A part of a time that is a column of its own. */
internal enum class TimePart(private val of: (Civil) -> Int) {
    YEAR({ it.year }),
    MONTH({ it.month }),
    DAY({ it.day }),
    ;

    /** The part of each time, as numbers. */
    fun column(times: Numbers): Numbers = times.map { of(civil(Math.floorDiv(it.toLong(), SECONDS_A_DAY))).toDouble() }

    companion object {
        val names = entries.map { it.name.lowercase() }

        fun of(name: String): TimePart = entries[names.indexOf(name)]
    }
}

/** A date of the Gregorian calendar. */
internal class Civil(val year: Int, val month: Int, val day: Int)

/** Days from 1970-01-01 to a date (Hinnant, "chrono-compatible low-level date algorithms"): years begin in March, eras have 400 of them. */
private fun daysBefore(year: Int, month: Int, day: Int): Long {
    val y = if (month <= 2) year - 1 else year
    val era = Math.floorDiv(y, 400)
    val yearOfEra = y - era * 400
    val dayOfYear = (153 * (month + if (month > 2) -3 else 9) + 2) / 5 + day - 1
    return era * 146_097L + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/** The date that is as many days after 1970-01-01; the same source. */
private fun civil(days: Long): Civil {
    val shifted = days + 719_468
    val era = Math.floorDiv(shifted, 146_097L)
    val dayOfEra = (shifted - era * 146_097).toInt()
    val yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    val dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    val month = (5 * dayOfYear + 2) / 153
    val year = (yearOfEra + era * 400).toInt()
    return Civil(if (month >= 10) year + 1 else year, if (month < 10) month + 3 else month - 9, dayOfYear - (153 * month + 2) / 5 + 1)
}

private fun daysOf(year: Int, month: Int): Int {
    val next = if (month == 12) daysBefore(year + 1, 1, 1) else daysBefore(year, month + 1, 1)
    return (next - daysBefore(year, month, 1)).toInt()
}
