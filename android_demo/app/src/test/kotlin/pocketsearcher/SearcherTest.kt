package pocketsearcher

import android.graphics.BitmapFactory
import org.json.JSONArray
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File

private const val TOLERANCE = 1e-5

@RunWith(RobolectricTestRunner::class)
class SearcherTest {
    @Test
    fun `golden queries are answered as in Python`() = ask(Fixtures.sample) { searcher ->
        assertEquals(setOf("search_text", "search_image", "search_embedding"), searcher.manifest.golden.map { it.signature }.toSet())
        repeat(2) { assertEquals(emptyList<String>(), searcher.check(pictures = true)) }
    }

    @Test
    fun `files with leaves, rows of 4 bits or codes are answered as in Python`() {
        for ((file, signatures) in listOf(Fixtures.leaves to 5, Fixtures.fourBits to 1, Fixtures.split to 1, Fixtures.codes to 1)) {
            Fixtures.open(file).use { searcher ->
                assertEquals(signatures, searcher.signatures.size)
                assertEquals(emptyList<String>(), searcher.check(pictures = true))
            }
        }
    }

    @Test
    fun `sentences of any length and script find what Python finds`() = ask(Fixtures.sample) { searcher ->
        for (case in Fixtures.expected.getJSONArray("texts").orEmpty()) {
            same(case.getJSONArray("answer"), searcher.search(case.getString("query"), maxResults = 10))
        }
    }

    @Test
    fun `a minus leaves out what Python leaves out`() = ask(Fixtures.sample) { searcher ->
        val expected = Fixtures.expected.getJSONObject("composed")
        for (text in expected.keys()) same(expected.getJSONArray(text), searcher.searchWords(text, maxResults = 10))
        assertEquals(searcher.search("a boat").neighbors.map { it.text }, searcher.searchWords("a boat").neighbors.map { it.text })
        for (text in listOf(" -boat", "a boat -a -\"a boat\"", "a boat -.")) {
            assertThrows(IllegalArgumentException::class.java) { searcher.searchWords(text) }
        }
    }

    @Test
    fun `pretrained text towers take sentences as they are`() {
        val tokenized = Fixtures.expected.getJSONObject("tokenized")
        for (name in tokenized.keys()) {
            Fixtures.open(Fixtures.tokenized(name)).use { searcher ->
                for (case in tokenized.getJSONArray(name).orEmpty()) {
                    val expected = case.getJSONArray("answer").neighbors().map { it.first }
                    assertEquals(expected, searcher.search(case.getString("query"), maxResults = expected.size).neighbors.map { it.text })
                }
            }
        }
    }

    @Test
    fun `int8 encoders of a checkpoint answer golden queries within their tolerance`() = ask(Fixtures.checkpoint, ::sameAsPython)

    @Test
    fun `pictures of any size find what Python finds`() = ask(Fixtures.sample) { searcher ->
        val expected = Fixtures.expected.getJSONObject("pictures")
        for (name in expected.keys()) {
            val bitmap = BitmapFactory.decodeFile(Fixtures.picture("$name.png").path)
            // A pixel that is rounded in the other direction changes a distance by about this much.
            same(expected.getJSONArray(name), searcher.search(bitmap, maxResults = 10), 1e-3)
        }
    }

    @Test
    fun `a vector is embedded text or an embedded picture`() = ask(Fixtures.sample) { searcher ->
        val text = searcher.search("a red ball").neighbors
        assertEquals(text.map { it.item }, searcher.search(searcher.embed("a red ball")).neighbors.map { it.item })
        val bitmap = BitmapFactory.decodeFile(Fixtures.picture("small.png").path)
        assertEquals(searcher.search(bitmap).neighbors.first().item, searcher.search(searcher.embed(bitmap)).neighbors.first().item)
    }

    @Test
    fun `no more are found than asked for, and no more than there are`() = ask(Fixtures.sample) { searcher ->
        assertEquals(3, searcher.search("a red ball", maxResults = 3).neighbors.size)
        assertTrue(searcher.manifest.k < searcher.manifest.items)
        assertEquals(searcher.manifest.items, searcher.search("a red ball", maxResults = 1000).neighbors.size)
        assertThrows(IllegalArgumentException::class.java) { searcher.search("a red ball", maxResults = 0) }
    }

    @Test
    fun `vectors that cannot be asked are refused`() = ask(Fixtures.sample) { searcher ->
        val d = searcher.manifest.dimension
        val short = assertThrows(IllegalArgumentException::class.java) { searcher.search(FloatArray(d - 1)) }
        assertTrue(short.message, short.message!!.endsWith("the query has ${d - 1} dimensions, expected $d."))
        assertThrows(IllegalArgumentException::class.java) { searcher.search(FloatArray(d) { Float.NaN }) }
    }

    @Test
    fun `threads may ask at the same time`() = ask(Fixtures.sample) { searcher ->
        val texts = Fixtures.expected.getJSONArray("texts").orEmpty()
        val wrong = List(4) { i ->
            val errors = mutableListOf<Throwable>()
            val thread = Thread {
                repeat(50) { n ->
                    val case = texts[(i + n) % texts.size]
                    try {
                        same(case.getJSONArray("answer"), searcher.search(case.getString("query"), maxResults = 10))
                    } catch (error: Throwable) {
                        errors += error
                    }
                }
            }
            thread.start()
            thread to errors
        }.flatMap { (thread, errors) -> thread.join().let { errors } }
        assertEquals(emptyList<Throwable>(), wrong)
    }

    @Test
    fun `weak answers are told from good ones by the file's curve`() = ask(Fixtures.withRelevance) { searcher ->
        val answer = searcher.search(Fixtures.expected.getJSONArray("texts").getJSONObject(0).getString("query"), maxResults = 10)
        val expected = Fixtures.expected.getJSONArray("relevance").run { List(length(), ::getDouble) }
        val found = (answer.neighbors + answer.weaker).map { it.relevance!! }
        expected.zip(found) { theirs, ours -> assertEquals(theirs, ours, 1e-3) }
        assertEquals(expected.count { it >= 0.5 }, answer.neighbors.size)
        assertTrue(answer.neighbors.size in 3..4 && answer.weaker.size in 6..7)
    }

    @Test
    fun `where the first result is below the file's gate all are weak, as in Python`() = ask(Fixtures.withGate) { searcher ->
        val curve = searcher.manifest.relevance.getValue("search_text")
        val closed = Fixtures.expected.getJSONArray("gated").orEmpty().count { case ->
            val (neighbors, weaker) = searcher.search(case.getString("query"), maxResults = 10)
            assertEquals(case.getString("query"), case.getInt("matches"), neighbors.size)
            assertEquals(10, neighbors.size + weaker.size)
            neighbors.isEmpty() && weaker.first().relevance!! >= curve.cut
        }
        assertTrue("$closed", closed in 1 until Fixtures.expected.getJSONArray("gated").length())
    }

    @Test
    fun `a curve that looks at the query judges as in Python`() = ask(Fixtures.withFound) { searcher ->
        val cases = Fixtures.expected.getJSONArray("judged").orEmpty()
        for (case in cases) {
            val answer = searcher.search(case.getString("query"), maxResults = 10)
            assertEquals(case.getDouble("found"), answer.found!!, 1e-4)
            assertEquals(case.getString("query"), case.getInt("matches"), answer.neighbors.size)
            val theirs = case.getJSONArray("relevance").run { List(length(), ::getDouble) }
            theirs.zip(answer.neighbors + answer.weaker) { relevance, neighbor -> assertEquals(relevance, neighbor.relevance!!, 1e-4) }
        }
        assertTrue(cases.map { it.getInt("matches") > 0 }.toSet().size == 2)
    }

    @Test
    fun `where nothing matches no answer is given, and the nearest are kept apart`() = ask(Fixtures.withRelevance) { searcher ->
        val answer = searcher.search(BitmapFactory.decodeFile(Fixtures.picture("small.png").path))
        assertEquals(emptyList<Neighbor>(), answer.neighbors)
        assertEquals(searcher.manifest.k, answer.weaker.size)
    }

    @Test
    fun `a file without curves calls nothing weak`() = ask(Fixtures.sample) { searcher ->
        val answer = searcher.search("a red ball")
        assertEquals(emptyList<Neighbor>(), answer.weaker)
        assertEquals(null, answer.neighbors.first().relevance)
    }

    private fun ask(file: File, test: (Searcher) -> Unit) = Fixtures.open(file).use(test)

    private fun same(expected: JSONArray, found: Answer, tolerance: Double = TOLERANCE) {
        val theirs = expected.neighbors()
        assertEquals(theirs.map { it.first }, found.neighbors.map { it.text })
        theirs.zip(found.neighbors) { (_, distance), neighbor -> assertEquals(distance, neighbor.distance.toDouble(), tolerance) }
    }
}
