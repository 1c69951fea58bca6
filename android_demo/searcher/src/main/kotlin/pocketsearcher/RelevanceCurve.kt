package pocketsearcher

import kotlin.math.exp

/**
 * The probability that a result is relevant, by its distance: a logistic curve that the builder fitted to held-out queries.
 *
 * @property cut A result with a lower relevance is weak.
 * @property gate All results of a query are weak if the first has a lower relevance; 0 in files without a gate.
 * @property found The curve that also looks at the query, which takes the place of this one where it can.
 */
class RelevanceCurve(
    private val slope: Double,
    private val intercept: Double,
    val cut: Double,
    val gate: Double = 0.0,
    val found: FoundCurve? = null,
) {
    /** The probability, from 0 to 1. */
    fun at(distance: Float): Double = sigmoid(-slope * distance - intercept)

    /** Judges results by their distances, ascending, and by what the graph says of the query, if it says anything. */
    internal fun judge(distances: List<Float>, evidence: FloatArray?): Judgement {
        if (found != null && evidence != null && distances.isNotEmpty()) return found.judge(distances, evidence)
        val relevance = distances.map(::at)
        return Judgement(null, relevance, if (relevance.isEmpty() || relevance[0] < gate) 0 else relevance.count { it >= cut })
    }
}

/**
 * What is known of the results of a query.
 *
 * @property found How surely the items show what was asked for, from 0 to 1; null if the file cannot say it.
 * @property relevance The relevance of each result.
 * @property strong The number of results, nearest first, that are not weak.
 */
internal class Judgement(val found: Double?, val relevance: List<Double>, val strong: Int)

/**
 * The part of a curve that looks at the query, too; docs/format.md explains it.
 *
 * @property cut A result with a lower relevance is weak.
 * @property gate All results of a query are weak if `found` is lower.
 */
class FoundCurve(
    internal val results: Int,
    private val shows: List<Double>,
    private val right: List<Double>,
    private val slope: Double,
    val cut: Double,
    val gate: Double,
) {
    internal fun judge(distances: List<Float>, evidence: FloatArray): Judgement {
        val lookedAt = distances.take(results).map { it.toDouble() }
        val summary = listOf(lookedAt.first(), lookedAt.average(), lookedAt.last())
        val (found, usual) = listOf(shows, right).mapIndexed { i, weights ->
            evidence[i] + weights.zip(summary) { weight, value -> weight * value }.sum()
        }
        val relevance = distances.map { sigmoid(usual - slope * it) }
        val surely = sigmoid(found)
        return Judgement(surely, relevance, if (surely < gate) 0 else relevance.count { it >= cut })
    }
}

private fun sigmoid(x: Double): Double = 1 / (1 + exp(-x))
