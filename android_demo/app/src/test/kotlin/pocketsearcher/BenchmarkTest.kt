package pocketsearcher

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

@RunWith(RobolectricTestRunner::class)
class BenchmarkTest {
    @Test
    fun `a searcher is measured with the keys of Python's benchmark`() {
        val found = benchmark("sample.tflite", "LiteRT", "2", queries = 20, opens = 2) { Fixtures.open(Fixtures.sample) }
        assertEquals(
            setOf("file", "runtime", "machine", "threads", "open_ms", "first_query_ms", "embed_ms", "search_ms", "resident_mb"),
            keys(found),
        )
        assertEquals(setOf("name", "bytes", "items", "dimension"), keys(found.getJSONObject("file")))
        for ((key, kinds) in listOf("first_query_ms" to 3, "embed_ms" to 2, "search_ms" to 3)) {
            val figures = found.getJSONObject(key)
            assertEquals(key, kinds, figures.length())
            for (kind in keys(figures)) percentiles("$key $kind", figures.getJSONObject(kind))
        }
        percentiles("open_ms", found.getJSONObject("open_ms"))
        val resident = found.getJSONObject("resident_mb")
        assertTrue("$resident", keys(resident) == setOf("start", "opened", "asked") && resident.getDouble("asked") > 10)
    }

    @Test
    fun `of a searcher without items the encoders are measured`() {
        val file = Fixtures.overlay("empty.tflite")
        val found = benchmark("empty.tflite", "LiteRT", "2", queries = 3, opens = 1) { Fixtures.open(file) }
        assertEquals(listOf(2, 0, 0), listOf("embed_ms", "search_ms", "first_query_ms").map { found.getJSONObject(it).length() })
        percentiles("open_ms", found.getJSONObject("open_ms"))
    }

    private fun percentiles(what: String, found: JSONObject) {
        assertEquals(what, setOf("p50", "p90", "p99", "count"), keys(found))
        assertTrue("$what $found", found.getDouble("p50") > 0 && found.getDouble("p50") <= found.getDouble("p99"))
    }

    private fun keys(json: JSONObject) = json.keys().asSequence().toSet()
}
