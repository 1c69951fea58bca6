package pocketsearcher

import java.util.PriorityQueue

/** Items and their distances, nearest first. */
internal class Nearest(val ids: IntArray, val distances: FloatArray) {
    val size get() = ids.size

    /** Each item with its distance. */
    fun pairs(): List<Pair<Int, Float>> = ids.indices.map { ids[it] to distances[it] }

    /** The nearest of both, at most [count]; of items as near, the lower number is first. */
    fun mergedWith(other: Nearest, count: Int): Nearest {
        if (other.size == 0) return first(count)
        val best = Best(count)
        for (found in listOf(this, other)) for (i in found.ids.indices) best.offer(found.ids[i], found.distances[i])
        return best.found()
    }

    /** Those for which [keep] holds. */
    fun filter(keep: (Int) -> Boolean): Nearest {
        val kept = ids.indices.filter { keep(ids[it]) }
        return Nearest(IntArray(kept.size) { ids[kept[it]] }, FloatArray(kept.size) { distances[kept[it]] })
    }

    fun first(count: Int): Nearest = if (size <= count) this else Nearest(ids.copyOf(count), distances.copyOf(count))

    companion object {
        val NONE = Nearest(IntArray(0), FloatArray(0))
    }
}

/** Keeps the [count] smallest distances of those offered; of equal ones, those with the lower number. Without those that are NaN. */
internal class Best(private val count: Int) {
    private val kept = PriorityQueue<Scored>()

    fun offer(number: Int, distance: Float) {
        if (distance.isNaN()) return
        if (kept.size == count) {
            val last = kept.peek()!!
            if (distance > last.distance || distance == last.distance && number > last.number) return
            kept.remove()
        }
        kept.add(Scored(number, distance))
    }

    /** What was kept, nearest first. */
    fun found(): Nearest {
        val ordered = kept.sortedDescending()
        return Nearest(IntArray(ordered.size) { ordered[it].number }, FloatArray(ordered.size) { ordered[it].distance })
    }

    /** The farthest is first, then the highest number. */
    private class Scored(val number: Int, val distance: Float) : Comparable<Scored> {
        override fun compareTo(other: Scored) = compareValuesBy(other, this, Scored::distance, Scored::number)
    }
}
