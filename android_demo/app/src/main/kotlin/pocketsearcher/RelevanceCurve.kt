package pocketsearcher

import kotlin.math.exp

/**
 * From a distance to the probability that a result is relevant: a logistic curve that the builder fitted to held-out queries.
 *
 * @property cut Results that are less relevant than this are weak.
 */
class RelevanceCurve(private val slope: Double, private val intercept: Double, val cut: Double) {
    /** The probability in 0 to 1. */
    fun at(distance: Float): Double = 1 / (1 + exp(slope * distance + intercept))
}
