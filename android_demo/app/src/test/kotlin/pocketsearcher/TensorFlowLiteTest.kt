package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test
import org.tensorflow.lite.TensorFlowLite
import java.io.File

private const val TOLERANCE = 1e-5

/**
 * The library over the interpreter that the app ships: TensorFlow Lite's Android library, over `without_gradle/bionic`.
 *
 * Without Robolectric, which loads no native libraries for an app.
 */
class TensorFlowLiteTest {
    private val version: String? = System.getProperty("pocketsearcher.tensorflowlite")

    @Before
    fun isThere() = assumeTrue("pocketsearcher.tensorflowlite is not set; make android sets it", version != null)

    @Test
    fun `it is the version that the app is built with`() = assertEquals(version, TensorFlowLite.runtimeVersion())

    @Test
    fun `golden queries are answered as in Python`() = Searcher.open(Fixtures.sample).use { searcher ->
        assertEquals(6, searcher.manifest.golden.count { it.signature != "search_image" })
        assertEquals(emptyList<String>(), searcher.check(pictures = true))
    }

    @Test
    fun `files with leaves, rows of 4 bits or codes are answered as in Python`() {
        for ((file, signatures) in listOf(Fixtures.leaves to 5, Fixtures.fourBits to 1, Fixtures.split to 1, Fixtures.codes to 1)) {
            Searcher.open(file).use { searcher ->
                assertEquals(signatures, searcher.signatures.size)
                assertEquals(emptyList<String>(), searcher.check(pictures = true))
            }
        }
    }

    @Test
    fun `sentences of any length and script find what Python finds`() = Searcher.open(Fixtures.sample).use { searcher ->
        for (case in Fixtures.expected.getJSONArray("texts").orEmpty()) {
            val found = searcher.search(case.getString("query"), maxResults = 10).neighbors
            val expected = case.getJSONArray("answer").neighbors()
            assertEquals(expected.map { it.first }, found.map { it.text })
            expected.zip(found) { (_, distance), neighbor -> assertEquals(distance, neighbor.distance.toDouble(), TOLERANCE) }
        }
    }

    @Test
    fun `pretrained text towers take sentences as they are`() {
        val tokenized = Fixtures.expected.getJSONObject("tokenized")
        assertTrue(tokenized.length() >= 4)
        for (name in tokenized.keys()) {
            Searcher.open(Fixtures.tokenized(name)).use { searcher ->
                for (case in tokenized.getJSONArray(name).orEmpty()) {
                    val expected = case.getJSONArray("answer").neighbors().map { it.first }
                    val found = searcher.search(case.getString("query"), maxResults = expected.size).neighbors
                    assertEquals("$name: ${case.getString("query")}", expected, found.map { it.text })
                }
            }
        }
    }

    @Test
    fun `int8 encoders of a checkpoint answer golden queries within their tolerance`() =
        Searcher.open(Fixtures.checkpoint).use(::sameAsPython)

    @Test
    fun `pictures of any size find what Python finds`() = Searcher.open(Fixtures.sample).use { searcher ->
        for (case in Fixtures.expected.getJSONArray("resized").orEmpty()) {
            val name = case.getString("picture")
            val pixels = ArgbPixels(Fixtures.picture("$name.argb").readBytes(), case.getInt("width"), case.getInt("height"))
            val expected = Fixtures.expected.getJSONObject("pictures").getJSONArray(name).neighbors()
            assertEquals(expected.map { it.first }, searcher.search(pixels, maxResults = 10).neighbors.map { it.text })
        }
    }

    @Test
    fun `an embedded sentence finds what the sentence finds`() = Searcher.open(Fixtures.sample, threads = 2).use { searcher ->
        val text = searcher.search("a red ball").neighbors
        assertEquals(text.map { it.item }, searcher.search(searcher.embed("a red ball")).neighbors.map { it.item })
    }

    @Test
    fun `a model that it does not take is told`() {
        val file = File.createTempFile("damaged", ".tflite")
        val content = Fixtures.sample.readBytes()
        content.fill(0x7f, 16, 4096)
        file.writeBytes(content)
        val message = assertThrows(SearcherException::class.java) { Searcher.open(file).close() }.message.orEmpty()
        assertTrue(message, message.contains("TensorFlow Lite does not take the model"))
        file.delete()
    }
}
