package pocketsearcher

/**
 * The result of a query, nearest first.
 *
 * @property neighbors The relevant items; empty if nothing matches.
 * @property weaker The other items: those below [RelevanceCurve.cut], or all if the first is below [RelevanceCurve.gate]. Empty if the file
 *   has no curve.
 * @property found How surely the items show what a sentence asks for, from 0 to 1; null if the file cannot say it.
 */
data class Answer(val neighbors: List<Neighbor>, val weaker: List<Neighbor>, val found: Double? = null)

/**
 * An item in a result.
 *
 * @property item The number of the item, from 0.
 * @property metadata The metadata of the item; `maker build` stores the path of the picture.
 * @property distance Smaller is nearer.
 * @property relevance The probability that the item matches the query, from 0 to 1; null if the file has no curve.
 */
class Neighbor(val item: Int, val metadata: ByteArray, val distance: Float, val relevance: Double?) {
    /** The metadata as text. */
    val text: String get() = String(metadata, Charsets.UTF_8)

    override fun toString() = "$text ($distance)"
}
