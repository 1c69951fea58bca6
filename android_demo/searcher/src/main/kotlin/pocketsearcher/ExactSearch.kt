package pocketsearcher

import java.util.BitSet
import java.util.PriorityQueue
import kotlin.math.max

/** Items and their distances, nearest first. */
internal class Nearest(val ids: IntArray, val distances: FloatArray) {
    /** Each item with its distance. */
    fun pairs(): List<Pair<Int, Float>> = ids.indices.map { ids[it] to distances[it] }
}

/** Scores chosen items outside of the graph, with the same arithmetic: the exact nearest, however few are chosen. */
internal class ExactSearch(private val rows: StoredRows, private val squared: Boolean) {
    /** The stored embedding of an item. */
    fun embedding(item: Int): FloatArray = rows.decode(rows.rowOf(item))

    /** The nearest of [items]; of items as near, that of the lower row is first. */
    fun nearest(query: FloatArray, items: BitSet, count: Int): Nearest {
        val chosen = BitSet(rows.size)
        var item = items.nextSetBit(0)
        while (item >= 0) {
            chosen.set(rows.rowOf(item))
            item = items.nextSetBit(item + 1)
        }
        val distanceOf = distances(query)
        val best = PriorityQueue<Scored>()
        var row = chosen.nextSetBit(0)
        while (row >= 0) {
            val distance = distanceOf(row)
            if (!distance.isNaN() && (best.size < count || distance < best.peek()!!.distance)) {
                if (best.size == count) best.remove()
                best.add(Scored(row, distance))
            }
            row = chosen.nextSetBit(row + 1)
        }
        val ordered = best.sortedDescending()
        return Nearest(IntArray(ordered.size) { rows.item(ordered[it].row) }, FloatArray(ordered.size) { ordered[it].distance })
    }

    private fun distances(query: FloatArray): (Int) -> Float {
        val dot = rows.scorer(query)
        if (!squared) return { row -> -dot(row) }
        val length = squares(query)
        return { row -> max(length + squares(rows.decode(row)) - 2 * dot(row), 0f) }
    }

    private fun squares(vector: FloatArray): Float = vector.fold(0f) { sum, value -> sum + value * value }

    /** A row that was scored; the farthest is first, then the highest row. */
    private class Scored(val row: Int, val distance: Float) : Comparable<Scored> {
        override fun compareTo(other: Scored) = compareValuesBy(other, this, Scored::distance, Scored::row)
    }
}
