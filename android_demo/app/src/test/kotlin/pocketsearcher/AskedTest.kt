package pocketsearcher

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

private const val TOLERANCE = 1e-4

/** The queries of `tests/asked`, which Python and the web page answer, too. */
class AskedTest {
    @Test
    fun `filters leave what they leave in Python`() = ask { searcher, cases ->
        for (case in cases.getJSONArray("where").orEmpty()) {
            val found = searcher.search("a red ball", searcher.manifest.items, case.getString("where")).neighbors
            assertEquals(case.getString("where"), case.getJSONArray("ids").ints(), found.map { it.item }.sorted())
        }
    }

    @Test
    fun `what is no filter is refused`() = ask { searcher, cases ->
        for (case in cases.getJSONArray("refused").orEmpty()) {
            val where = case.getString("where")
            val error = assertThrows(where, IllegalArgumentException::class.java) { searcher.search("a red ball", where = where) }
            assertTrue(error.message, error.message.orEmpty().endsWith("."))
        }
        val message = assertThrows(IllegalArgumentException::class.java) { searcher.facets(where = "stars == 3 ; x") }.message
        assertEquals("where: this character starts nothing that is known, found '; x' at character 12 of 'stars == 3 ; x'.", message)
    }

    @Test
    fun `values are counted as in Python, and each can be asked for`() = ask { searcher, cases ->
        for (case in cases.getJSONArray("facets").orEmpty()) {
            val columns = case.optJSONArray("columns")?.run { List(length(), ::getString) }
            val where = case.optString("where").ifEmpty { null }
            val counts = case.getJSONObject("counts")
            val found = searcher.facets(columns, where)
            assertEquals(counts.keys().asSequence().toSet(), found.keys)
            for ((column, facets) in found) {
                val expected = counts.getJSONArray(column).arrays().map { "${it.get(0)}" to it.getInt(1) }
                assertEquals(column, expected, facets.map { it.value to it.items })
                for (facet in facets) {
                    val both = if (where == null) facet.where else "($where) and ${facet.where}"
                    assertEquals(facet.where, facet.items, searcher.search("a red ball", searcher.manifest.items, both).neighbors.size)
                }
            }
        }
    }

    private fun ask(test: (Searcher, JSONObject) -> Unit) = Fixtures.open(Fixtures.asked).use { test(it, Fixtures.askedCases) }

    private fun JSONArray.arrays() = List(length(), ::getJSONArray)
}
