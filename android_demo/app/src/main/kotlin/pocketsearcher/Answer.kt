package pocketsearcher

/**
 * What was found, nearest first.
 *
 * @property neighbors The items that answer the query: none, if nothing matches.
 * @property weaker Those that follow, below the file's [RelevanceCurve.cut]; all, where the first is below its [RelevanceCurve.gate]; none
 *   where the file has no curve.
 */
data class Answer(val neighbors: List<Neighbor>, val weaker: List<Neighbor>)

/**
 * An item that was found.
 *
 * @property item Its number, from 0.
 * @property metadata What the builder keeps of it; `maker build` keeps the picture's path.
 * @property distance Smaller is nearer.
 * @property relevance The probability that it is what was asked for; null where the file does not say.
 */
class Neighbor(val item: Int, val metadata: ByteArray, val distance: Float, val relevance: Double?) {
    /** The metadata as text. */
    val text: String get() = String(metadata, Charsets.UTF_8)

    override fun toString() = "$text ($distance)"
}
