package pocketsearcher

import kotlin.math.abs
import kotlin.math.atan2
import kotlin.math.cos
import kotlin.math.max
import kotlin.math.sin
import kotlin.math.sqrt

private const val PUSH = 0.2 // as in Python, task/search/compose.py
private const val RANK = 0.1
private const val LEFT = 1e-3
private val EXCLUDED = Regex("(^|[\\s\\p{Z}])-(?:\"([^\"]+)\"|([^\\s\\p{Z}\"-][^\\s\\p{Z}]*))")
private val SPACES = Regex("[\\s\\p{Z}]+")

/** What a text asks for: a minus directly before a word, or before words in double quotes, excludes them. */
internal class ParsedQuery private constructor(val wanted: String, val excluded: List<String>) {
    companion object {
        fun of(text: String): ParsedQuery {
            val excluded = EXCLUDED.findAll(text).map { (it.groups[2] ?: it.groups[3])!!.value.trim() }.toList()
            if (excluded.isEmpty()) return ParsedQuery(text, excluded)
            val rest = EXCLUDED.replace(text) { it.groupValues[1] }
            return ParsedQuery(rest.split(SPACES).filter { it.isNotEmpty() }.joinToString(" "), excluded)
        }
    }
}

/**
 * The mean of the wanted vectors without what the excluded ones point at, as long as the wanted ones are on average.
 *
 * @return null if nothing is left.
 */
internal fun compose(wanted: List<FloatArray>, excluded: List<FloatArray>): FloatArray? {
    val size = wanted.first().size
    val length = wanted.sumOf { norm(it.doubles()) } / wanted.size
    var vector = DoubleArray(size) { i -> wanted.sumOf { it[i].toDouble() } / wanted.size }
    if (excluded.isNotEmpty()) {
        val directions = excluded.map { part -> part.doubles().let { values -> norm(values).let { n -> DoubleArray(size) { values[it] / n } } } }
        val inverse = inverseGram(directions)
        val along = inverse.times(DoubleArray(directions.size) { dot(directions[it], vector) })
        val push = inverse.times(DoubleArray(directions.size) { PUSH })
        val rest = DoubleArray(size) { i -> vector[i] - directions.indices.sumOf { along[it] * directions[it][i] } }
        val left = norm(rest)
        if (left <= LEFT * length) return null
        vector = DoubleArray(size) { i -> rest[i] / left - directions.indices.sumOf { push[it] * directions[it][i] } }
    }
    val left = norm(vector)
    return if (left > LEFT * length) FloatArray(size) { (vector[it] * length / left).toFloat() } else null
}

private fun FloatArray.doubles() = DoubleArray(size) { this[it].toDouble() }

private fun dot(a: DoubleArray, b: DoubleArray) = a.indices.sumOf { a[it] * b[it] }

private fun norm(a: DoubleArray) = sqrt(dot(a, a))

private fun Array<DoubleArray>.times(vector: DoubleArray) = DoubleArray(size) { dot(this[it], vector) }

/** The pseudo-inverse of the products of directions; those that differ too little count as one (eigenvalues by Jacobi's method). */
private fun inverseGram(directions: List<DoubleArray>): Array<DoubleArray> {
    val size = directions.size
    val gram = Array(size) { i -> DoubleArray(size) { dot(directions[i], directions[it]) } }
    val axes = Array(size) { i -> DoubleArray(size) { if (i == it) 1.0 else 0.0 } }
    repeat(50) {
        for (p in 0 until size) for (q in p + 1 until size) if (abs(gram[p][q]) >= 1e-15) rotate(gram, axes, p, q)
    }
    val values = DoubleArray(size) { max(gram[it][it], 0.0) }
    val least = RANK * RANK * values.max() // eigenvalues are squares of singular values
    return Array(size) { i ->
        DoubleArray(size) { k -> values.indices.sumOf { if (values[it] > least) axes[i][it] * axes[k][it] / values[it] else 0.0 } }
    }
}

/** Makes the product of two directions zero by turning both in their plane. */
private fun rotate(gram: Array<DoubleArray>, axes: Array<DoubleArray>, p: Int, q: Int) {
    val angle = atan2(2 * gram[p][q], gram[q][q] - gram[p][p]) / 2
    val c = cos(angle)
    val s = sin(angle)
    for (rows in listOf(gram, axes)) {
        for (row in rows) {
            val first = row[p]
            row[p] = c * first - s * row[q]
            row[q] = s * first + c * row[q]
        }
    }
    for (k in gram.indices) {
        val first = gram[p][k]
        gram[p][k] = c * first - s * gram[q][k]
        gram[q][k] = s * first + c * gram[q][k]
    }
}
