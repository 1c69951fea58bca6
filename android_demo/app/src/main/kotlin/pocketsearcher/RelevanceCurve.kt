package pocketsearcher

import kotlin.math.exp

/**
 * From a distance to the probability that a result is relevant: a logistic curve that the builder fitted to held-out queries.
 *
 * @property cut Results that are less relevant than this are weak.
 * @property gate All results of a query are weak where the first is less relevant than this; 0 in files without one.
 */
class RelevanceCurve(private val slope: Double, private val intercept: Double, val cut: Double, val gate: Double = 0.0) {
    /** The probability in 0 to 1. */
    fun at(distance: Float): Double = 1 / (1 + exp(slope * distance + intercept))

    /** How many of a query's results, given their relevance from the first on, are not weak. */
    fun strong(relevance: List<Double>): Int = if (relevance.isEmpty() || relevance[0] < gate) 0 else relevance.count { it >= cut }
}
