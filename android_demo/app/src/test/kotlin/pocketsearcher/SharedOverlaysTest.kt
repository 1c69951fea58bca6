package pocketsearcher

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val TOLERANCE = 1e-4

/** The overlays of `tests/overlays`, which Python and the web page write and read, too. */
class SharedOverlaysTest {
    @get:Rule val temporary = TemporaryFolder()

    @Test
    fun `every overlay has the bytes of Python's, and answers as it does, before and after it is opened again`() {
        for (case in Fixtures.overlayCases.getJSONArray("cases").orEmpty()) {
            val name = case.getString("name")
            val start = if (case.isNull("start")) null else Fixtures.overlay(case.getString("start"))
            val file = Fixtures.overlay(case.getString("file"))
            val written = temporary.root.resolve("$name.overlay")
            Fixtures.open(Fixtures.overlay(case.getString("base")), start).use { searcher ->
                for (operation in case.getJSONArray("operations").orEmpty()) searcher.apply(operation)
                searcher.saveOverlay(written)
                assertArrayEquals(name, file.readBytes(), written.readBytes())
                answers(searcher, case)
            }
            Fixtures.open(Fixtures.overlay(case.getString("base")), file).use { answers(it, case) }
        }
    }

    @Test
    fun `what Python refuses is refused with a sentence`() {
        for (case in Fixtures.overlayCases.getJSONArray("refused").orEmpty()) {
            val file = Fixtures.overlay(case.getString("file"))
            val error = assertThrows(case.getString("why"), SearcherException::class.java) {
                Fixtures.open(Fixtures.overlay(case.getString("base")), file).close()
            }
            val message = error.message.orEmpty()
            assertTrue(message, message.startsWith(file.path) && message.endsWith(".") && '\n' !in message)
            assertEquals("${case.getString("why")}: $message", case.getBoolean("newer"), message.endsWith("; update the app."))
        }
    }

    private fun Searcher.apply(operation: JSONObject) {
        when {
            operation.has("add") -> add(
                operation.getJSONArray("add").floats(),
                operation.getString("metadata"),
                operation.optJSONObject("facts")?.run { keys().asSequence().associateWith { value(get(it)) } }.orEmpty(),
                operation.optJSONArray("captions")?.run { List(length(), ::getString) }.orEmpty(),
            )
            operation.has("add_file") -> {
                val content = Fixtures.overlay(operation.getString("add_file")).readBytes()
                val values = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                for (row in 0 until values.capacity() / manifest.dimension) {
                    val vector = FloatArray(manifest.dimension) { values[row * manifest.dimension + it] }
                    add(vector, operation.getString("metadata").replace("{}", "$row"))
                }
            }
            else -> remove(operation.getInt("remove"))
        }
    }

    private fun value(fact: Any): Any = if (fact is JSONArray) List(fact.length(), fact::getString) else fact

    private fun answers(searcher: Searcher, case: JSONObject) {
        for (question in case.getJSONArray("answers").orEmpty()) {
            val allowed = question.optJSONArray("allowed")?.ints()?.toIntArray()
            val where = question.optString("where").ifEmpty { null }
            val found = searcher.search(question.getJSONArray("query").floats(), question.getInt("k"), where, allowed).neighbors
            val what = "${case.getString("name")} $question"
            if (question.has("first")) {
                assertEquals(what, question.getJSONArray("first").ints(), found.take(1).map { it.item })
                continue
            }
            assertEquals(what, question.getJSONArray("ids").ints(), found.map { it.item })
            question.getJSONArray("distances").doubles().zip(found) { distance, neighbor ->
                assertEquals(what, distance, neighbor.distance.toDouble(), TOLERANCE * maxOf(1.0, Math.abs(distance)))
            }
        }
    }

    private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }
}
