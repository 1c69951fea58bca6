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

/**
 * The vector of a query of several parts.
 *
 * @throws IllegalArgumentException The file does not take a part, a part has no word, or nothing is left of the query.
 */
internal fun Engine.composed(query: Query): FloatArray {
    val wanted = query.wanted.map { embedded(it.part) }
    val vector = compose(wanted, query.wanted.map { it.weight }, query.excluded.map(::embedded), manifest.means)
    return requireNotNull(vector) { "nothing is left of the query: its parts cancel each other; leave one of them out." }
}

private fun Engine.embedded(part: Query.Part): Embedded {
    val vector = when (part) {
        is Query.Part.Text -> embed(asked(part.text))
        is Query.Part.Picture -> embed(asked(part.pixels))
        is Query.Part.Vector -> asked(part.values).vector!!
    }
    require(vector.any { it != 0f }) {
        val what = if (part is Query.Part.Text) "the part \"${part.text.take(60)}\" has no word" else "a part of the query is a zero vector"
        "$what; leave it out."
    }
    return Embedded(vector, part is Query.Part.Text)
}

/** The embedding of a part of a query; sentences and pictures have means of their own. */
private class Embedded(val vector: FloatArray, val isText: Boolean)

/**
 * One vector for a query of several parts, as long as the wanted ones are on average.
 *
 * The wanted parts are averaged by their weights, and what the excluded ones point at is projected away and pushed off. Where sentences
 * meet pictures, the mean of its kind is removed from each part first. Python has the same and its sources (task/search/compose.py).
 *
 * @param means The mean embeddings of sentences and of pictures, `text` and `image`; empty if the file has none.
 * @return null if nothing is left.
 */
private fun compose(
    wanted: List<Embedded>,
    weights: List<Double>,
    excluded: List<Embedded>,
    means: Map<String, FloatArray>,
): FloatArray? {
    val parts = wanted + excluded
    val norms = parts.map { norm(it.vector.doubles()) }
    val mixed = means.isNotEmpty() && parts.any { it.isText } && parts.any { !it.isText }
    val vectors = parts.mapIndexed { i, part -> if (mixed) centred(part, means, norms[i]) else part.vector.doubles() }
    val shares = weights.map { it / weights.sum() }
    val size = vectors.first().size
    val length = shares.indices.sumOf { shares[it] * norms[it] }
    var vector = DoubleArray(size) { i -> shares.indices.sumOf { shares[it] * vectors[it][i] } }
    if (excluded.isNotEmpty()) {
        val directions = parts.indices.drop(wanted.size).map { part -> vectors[part].scaled(1 / norms[part]) }
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

/** The part without the mean of its kind, as long as before. */
private fun centred(part: Embedded, means: Map<String, FloatArray>, length: Double): DoubleArray {
    val mean = means.getValue(if (part.isText) "text" else "image")
    val moved = DoubleArray(mean.size) { part.vector[it].toDouble() - mean[it] }
    return moved.scaled(length / max(norm(moved), java.lang.Float.MIN_NORMAL.toDouble()))
}

private fun DoubleArray.scaled(factor: Double) = DoubleArray(size) { this[it] * factor }

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
