package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.math.sqrt
import kotlin.random.Random

private const val DIMENSION = 16

/** Added rows in cells, so that not all of them are scanned. */
class CellsTest {
    private val random = Random(4)
    private val topics = List(60) { List(DIMENSION) { random.nextFloat() - 0.5f } }

    @Test
    fun `cells are made anew when twice as many rows are there`() {
        assertEquals(listOf(4096, 4096, 8192, 8192, 16384), listOf(4097, 8191, 8192, 16383, 16384).map(Cells::madeOf))
        assertEquals(listOf(2048, 2800, 6260), listOf(5000, 10_000, 50_000).map(Cells::scanned))
    }

    @Test
    fun `every row is in one cell, and the nearest cells come first`() {
        val rows = AddedRows(DIMENSION, exact = false).withSpaceFor(5000)
        val topic = List(5000) { random.nextInt(60) }
        topic.forEachIndexed { row, it -> rows.put(row, near(it)) }
        val cells = Cells.of(rows, 5000).apply { assign(rows, 5000) }
        val seen = ArrayList<Int>()
        cells.scan(near(7), squared = false, enough = { false }) { seen += it }
        assertEquals((0 until 5000).toList(), seen.sorted())
        assertTrue("${seen.take(60).map { topic[it] }}", seen.take(60).count { topic[it] == 7 } >= 40)
        val some = ArrayList<Int>()
        cells.scan(near(7), squared = true, enough = { some.size >= 100 }) { some += it }
        assertTrue("${some.size}", some.size in 100..1000)
    }

    @Test
    fun `of many added items the nearest are found, removed ones are not, and those that came last are`() {
        for (squared in listOf(false, true)) {
            val overlay = Overlay(10, DIMENSION, exact = false)
            val vectors = List(9000) { near(random.nextInt(60)) }
            vectors.forEach { overlay.add(it, byteArrayOf(), CheckedFacts(emptyMap(), emptyMap()), null) }
            val end = System.currentTimeMillis() + 20_000
            while (overlay.cells == null && System.currentTimeMillis() < end) Thread.sleep(5)
            val cells = checkNotNull(overlay.cells)
            var (found, all) = 0 to 0
            repeat(100) { i ->
                if (i % 10 == 0) overlay.remove(10 + i)
                val now = overlay.state
                val query = near(i % 60)
                val exact = now.nearest(query, squared, 10).ids.toSet()
                found += now.nearest(query, squared, 10, cells = cells).ids.count { it in exact }
                all += 10
                assertTrue(exact.none { it == 10 + i / 10 * 10 && i % 10 == 0 })
            }
            assertTrue("$found of $all", found >= 0.99 * all)
            val last = overlay.add(vectors[0], byteArrayOf(), CheckedFacts(emptyMap(), emptyMap()), null)
            assertTrue(last in overlay.state.nearest(vectors[0], squared, 2, cells = cells).ids.toList())
            assertEquals(vectors.size + 1, overlay.cells!!.assigned)
        }
    }

    @Test
    fun `few rows have no cells`() {
        val overlay = Overlay(0, DIMENSION, exact = true)
        repeat(Cells.FEW) { overlay.add(near(it % 60), byteArrayOf(), CheckedFacts(emptyMap(), emptyMap()), null) }
        Thread.sleep(50)
        assertNull(overlay.cells)
    }

    private fun near(topic: Int): FloatArray {
        val values = FloatArray(DIMENSION) { topics[topic][it] + 0.1f * (random.nextFloat() - 0.5f) }
        val norm = sqrt(values.sumOf { it.toDouble() * it }).toFloat()
        return FloatArray(DIMENSION) { values[it] / norm }
    }
}
