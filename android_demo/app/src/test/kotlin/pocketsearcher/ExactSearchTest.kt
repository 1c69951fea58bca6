package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

private const val TOLERANCE = 1e-5

/** Searches among chosen items, which the graph cannot do. */
class ExactSearchTest {
    @Test
    fun `among few or many items of every kind of row the nearest are those of Python`() {
        for ((name, file) in mapOf(
            "sample" to Fixtures.sample,
            "leaves" to Fixtures.leaves,
            "four_bits" to Fixtures.fourBits,
            "split" to Fixtures.split,
            "codes" to Fixtures.codes,
        )) {
            Fixtures.open(file).use { searcher ->
                for (case in Fixtures.expected.getJSONObject("among").getJSONArray(name).orEmpty()) {
                    val vector = case.getJSONArray("vector").doubles().map { it.toFloat() }.toFloatArray()
                    val allowed = case.optJSONArray("allowed")?.ints()?.toIntArray()
                    val ids = case.getJSONArray("ids").ints()
                    val found = searcher.search(vector, maxResults = ids.size, allowed = allowed).neighbors
                    assertEquals(name, ids, found.map { it.item })
                    case.getJSONArray("distances").doubles().zip(found) { distance, neighbor ->
                        assertEquals(name, distance, neighbor.distance.toDouble(), TOLERANCE * maxOf(1.0, Math.abs(distance)))
                    }
                }
            }
        }
    }

    @Test
    fun `a curve that looks at the query judges what a filter leaves as in Python`() = Fixtures.open(Fixtures.withFound).use { searcher ->
        for (case in Fixtures.expected.getJSONArray("judged_among").orEmpty()) {
            val answer = searcher.search(case.getString("query"), maxResults = 10, allowed = IntArray(80) { 3 * it })
            assertEquals(case.getDouble("found"), answer.found!!, 1e-4)
            assertEquals(case.getString("query"), case.getInt("matches"), answer.neighbors.size)
            val theirs = case.getJSONArray("relevance").doubles()
            assertEquals(theirs.size, (answer.neighbors + answer.weaker).size)
            theirs.zip(answer.neighbors + answer.weaker) { relevance, neighbor -> assertEquals(relevance, neighbor.relevance!!, 1e-4) }
        }
    }

    @Test
    fun `no items find nothing, and items that do not exist are refused`() = Fixtures.open(Fixtures.sample).use { searcher ->
        assertEquals(emptyList<Neighbor>(), searcher.search("a red ball", allowed = intArrayOf()).neighbors)
        assertEquals(listOf(7), searcher.search("a red ball", allowed = intArrayOf(7, 7)).neighbors.map { it.item })
        assertEquals(emptyList<Neighbor>(), searcher.search("", allowed = intArrayOf(7)).neighbors)
        for (item in listOf(-1, searcher.manifest.items)) {
            assertThrows(IllegalArgumentException::class.java) { searcher.search("a red ball", allowed = intArrayOf(item)) }
        }
        val message = assertThrows(IllegalArgumentException::class.java) { searcher.search("a red ball", where = "year == 2024") }.message
        assertEquals("there is no column 'year'; known: none, the file has no facts.", message)
    }
}
