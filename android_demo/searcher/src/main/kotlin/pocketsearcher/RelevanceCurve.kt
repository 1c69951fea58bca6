package pocketsearcher

import kotlin.math.exp

/**
 * The probability that a result is relevant, by its distance: a logistic curve that the builder fitted to held-out queries.
 *
 * @property cut A result with a lower relevance is weak.
 * @property gate All results of a query are weak if the first has a lower relevance; 0 in files without a gate.
 */
class RelevanceCurve(private val slope: Double, private val intercept: Double, val cut: Double, val gate: Double = 0.0) {
    /** The probability, from 0 to 1. */
    fun at(distance: Float): Double = 1 / (1 + exp(slope * distance + intercept))

    /** The number of results of a query that are not weak, by the relevance of each, nearest first. */
    fun strong(relevance: List<Double>): Int = if (relevance.isEmpty() || relevance[0] < gate) 0 else relevance.count { it >= cut }
}
