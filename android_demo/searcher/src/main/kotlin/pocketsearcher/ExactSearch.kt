package pocketsearcher

import java.util.BitSet
import kotlin.math.max

/** Scores chosen items outside of the graph, with the same arithmetic: the exact nearest, however few are chosen. */
internal class ExactSearch(private val rows: StoredRows, private val squared: Boolean) {
    /** The stored embedding of an item. */
    fun embedding(item: Int): FloatArray = rows.decode(rows.rowOf(item))

    /** The nearest of [items]; of items as near, that of the lower row is first. */
    fun nearest(query: FloatArray, items: BitSet, count: Int): Nearest {
        val chosen = BitSet(rows.size)
        items.each { chosen.set(rows.rowOf(it)) }
        val distanceOf = distances(query)
        val best = Best(count)
        chosen.each { best.offer(it, distanceOf(it)) }
        val found = best.found()
        return Nearest(IntArray(found.size) { rows.item(found.ids[it]) }, found.distances)
    }

    private fun distances(query: FloatArray): (Int) -> Float {
        val dot = rows.scorer(query)
        if (!squared) return { row -> -dot(row) }
        val length = squares(query)
        return { row -> max(length + squares(rows.decode(row)) - 2 * dot(row), 0f) }
    }

    private fun squares(vector: FloatArray): Float = vector.fold(0f) { sum, value -> sum + value * value }
}
