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

    @Test
    fun `words are those of Python`() {
        for (case in Fixtures.askedCases.getJSONArray("words").orEmpty()) {
            val found = words(case.getString("text"))
            assertEquals(case.getString("text"), case.getJSONArray("words").run { List(length(), ::getString) }, found)
            assertEquals(case.getJSONArray("terms").run { List(length(), ::getLong) }, found.map { term(it).toLong() and 0xffffffffL })
        }
    }

    @Test
    fun `words in names, captions and facts find what they find in Python`() = ask { searcher, cases ->
        assertTrue(searcher.hasWords)
        for (case in cases.getJSONArray("lexical").orEmpty()) {
            val mode = Lexical.valueOf(case.getString("mode").uppercase())
            val where = case.optString("where").ifEmpty { null }
            val found = searcher.search(case.getString("query"), maxResults = 10, where = where, lexical = mode).neighbors
            assertEquals("$case", case.getJSONArray("ids").ints(), found.map { it.item })
        }
    }

    @Test
    fun `queries of several parts find what they find in Python`() = ask { searcher, cases ->
        for (case in cases.getJSONArray("composed").orEmpty()) {
            fun search(): List<Neighbor> {
                val parts = case.getJSONArray("wanted").arrays().map { searcher.part(it.get(0)) * it.getDouble(1) }
                val excluded = case.getJSONArray("excluded").run { List(length()) { searcher.part(get(it)) } }
                val query = excluded.fold(parts.reduce<Query, Query> { sum, part -> sum + part }) { whole, part -> whole - part }
                return searcher.search(query, case.optInt("k", 10), case.optString("where").ifEmpty { null }).neighbors
            }
            if (case.isNull("ids")) {
                assertThrows("$case", IllegalArgumentException::class.java) { search() }
                continue
            }
            val found = search()
            assertEquals("$case", case.getJSONArray("ids").ints(), found.map { it.item })
            case.getJSONArray("distances").doubles().zip(found) { distance, neighbor ->
                assertEquals(distance, neighbor.distance.toDouble(), TOLERANCE)
            }
        }
    }

    @Test
    fun `what a person types has the parts that it has in Python`() {
        for (case in Fixtures.askedCases.getJSONArray("typed").orEmpty()) {
            val text = case.getString("text")
            if (case.isNull("wanted")) {
                assertThrows(text, IllegalArgumentException::class.java) { Query.parse(text) }
                continue
            }
            val query = Query.parse(text)
            assertEquals(listOf(Query.Part.Text(case.getString("wanted"))), query.wanted.map { it.part })
            assertEquals(case.getJSONArray("excluded").run { List(length()) { Query.Part.Text(getString(it)) } }, query.excluded)
        }
    }

    @Test
    fun `more like items are the nearest others`() = ask { searcher, _ ->
        val nearest = searcher.search(searcher.embedding(3), maxResults = 9).neighbors.map { it.item }
        assertEquals(3, nearest.first())
        assertEquals(nearest.drop(1), searcher.similar(3, maxResults = 8).neighbors.map { it.item })
        val both = searcher.search(Query(searcher.embedding(3)) + Query(searcher.embedding(7)), maxResults = 10).neighbors.map { it.item }
        assertEquals(both - setOf(3, 7), searcher.similar(3, 7, maxResults = 8).neighbors.map { it.item })
        assertEquals(searcher.manifest.items - 1, searcher.similar(3, maxResults = 1000).neighbors.size)
        val filtered = searcher.similar(3, where = "'beach' in tags", allowed = intArrayOf(0, 1, 2, 3)).neighbors
        assertEquals(setOf(0, 2), filtered.map { it.item }.toSet())
        for (items in listOf(intArrayOf(), intArrayOf(-1), intArrayOf(searcher.manifest.items))) {
            assertThrows(IllegalArgumentException::class.java) { searcher.similar(*items) }
        }
    }

    @Test
    fun `queries that cannot be are refused`() = ask { searcher, _ ->
        assertThrows(IllegalArgumentException::class.java) { Query("a boat", weight = 0.0) }
        assertThrows(IllegalArgumentException::class.java) { Query("a boat") - 0.5 * Query("the sea") }
        assertThrows(IllegalArgumentException::class.java) { Query("a boat") - (Query("the sea") - "a city") }
        assertThrows(IllegalArgumentException::class.java) { searcher.search(Query(FloatArray(3) { 1f }) + "a boat") }
        val message = Fixtures.open(Fixtures.sample).use {
            assertThrows(IllegalArgumentException::class.java) { it.search("a boat", lexical = Lexical.AUTO) }.message.orEmpty()
        }
        assertTrue(message, message.endsWith("there is no index of words; build the file with --lexical, or leave lexical OFF."))
    }

    /** A part of a query: a sentence, a drawn picture or the embedding of an item. */
    private fun Searcher.part(described: Any): Query = when {
        described is String -> Query(described)
        (described as JSONObject).has("item") -> Query(embedding(described.getInt("item")))
        else -> {
            val (a, b, c) = described.getJSONArray("image").ints()
            val size = checkNotNull(manifest.imageSize)
            Query(
                object : Pixels {
                    override val width = size.width
                    override val height = size.height

                    override fun readRow(y: Int, argb: IntArray) = argb.indices.forEach { x ->
                        argb[x] = (0..2).fold(0xff) { packed, channel -> packed shl 8 or ((a * x + b * y + c * channel) % 256) }
                    }
                },
            )
        }
    }

    private fun ask(test: (Searcher, JSONObject) -> Unit) = Fixtures.open(Fixtures.asked).use { test(it, Fixtures.askedCases) }

    private fun JSONArray.arrays() = List(length(), ::getJSONArray)
}
