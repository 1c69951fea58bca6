package pocketsearcher

import java.util.concurrent.atomic.AtomicReferenceArray
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sqrt

/**
 * Cells of added rows, so that a query scans the nearest cells instead of all rows. docs/format.md defines them ("How added items are
 * searched"), and Python and the web page have the same. They are in memory only.
 *
 * One thread assigns rows; any number of threads read meanwhile.
 *
 * @property made The number of rows that the cells are made of.
 */
internal class Cells private constructor(private val centres: Array<FloatArray>, val made: Int) {
    private val halfSquares = FloatArray(centres.size) { cell -> centres[cell].fold(0f) { sum, value -> sum + value * value } / 2 }
    private val members = AtomicReferenceArray(Array(centres.size) { IntArray(0) })
    private val sizes = IntArray(centres.size) // used by the thread that assigns

    /** How many rows have a cell, the first ones. */
    @Volatile
    var assigned = 0
        private set

    /** Gives the rows before [end] a cell each. */
    fun assign(rows: AddedRows, end: Int) {
        for (row in assigned until end) {
            val cell = nearest(rows, row)
            val old = members[cell]
            // A longer array takes the place of the old one; its free places hold a row that no reader takes.
            val space = if (sizes[cell] < old.size) old else IntArray(max(8, 2 * old.size)) { old.getOrElse(it) { Int.MAX_VALUE } }
            space[sizes[cell]++] = row
            members.set(cell, space)
        }
        assigned = end
    }

    /** Calls [use] with the rows of the cells nearest to a query, one cell after the other, until [enough] says so, then of no more. */
    inline fun scan(query: FloatArray, squared: Boolean, enough: () -> Boolean, use: (Int) -> Unit) {
        val end = assigned
        for (cell in order(query, squared)) {
            for (row in members[cell]) if (row < end) use(row)
            if (enough()) return
        }
    }

    private fun order(query: FloatArray, squared: Boolean): List<Int> {
        val scores = FloatArray(centres.size) { cell -> dot(query, centres[cell]) - if (squared) halfSquares[cell] else 0f }
        return scores.indices.sortedByDescending { scores[it] }
    }

    private fun nearest(rows: AddedRows, row: Int): Int {
        var (best, score) = 0 to Float.NEGATIVE_INFINITY
        for (cell in centres.indices) {
            val found = rows.dot(row, centres[cell]) - halfSquares[cell]
            if (found > score) {
                best = cell
                score = found
            }
        }
        return best
    }

    companion object {
        /** Up to so many rows, all are scanned. */
        const val FEW = 4096
        private const val MOST = 512 // cells
        private const val ROWS = 16 // of a cell
        private const val SAMPLED = 16 // rows per cell that its centre is made of

        /** The number of rows that the cells of [count] rows are made of: they are made anew when it grows. */
        fun madeOf(count: Int): Int {
            var rows = FEW
            while (rows <= count / 2) rows *= 2
            return rows
        }

        /** How many of [count] rows a query scans. */
        fun scanned(count: Int): Int = max(2048, (28 * sqrt(count.toDouble())).toInt())

        /** The cells of [count] rows, of which none is assigned yet. */
        fun of(rows: AddedRows, count: Int): Cells {
            val made = madeOf(count)
            val number = min(MOST, made / ROWS)
            val first = Cells(Array(number) { rows.decode(part(it, made, number)) }, made)
            val sums = Array(number) { FloatArray(rows.dimension) }
            val counts = IntArray(number)
            val sampled = min(made, SAMPLED * number)
            for (i in 0 until sampled) {
                val row = part(i, made, sampled)
                val cell = first.nearest(rows, row)
                counts[cell]++
                for (d in sums[cell].indices) sums[cell][d] += rows.value(row, d)
            }
            return Cells(
                Array(number) { cell ->
                    if (counts[cell] == 0) first.centres[cell] else FloatArray(rows.dimension) { sums[cell][it] / counts[cell] }
                },
                made,
            )
        }

        private fun part(number: Int, whole: Int, parts: Int) = (number.toLong() * whole / parts).toInt()

        private fun dot(a: FloatArray, b: FloatArray): Float {
            var sum = 0f
            for (i in a.indices) sum += a[i] * b[i]
            return sum
        }
    }
}
