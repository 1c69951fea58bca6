package pocketsearcher

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import java.io.File
import java.nio.ByteBuffer

/** The files that `without_gradle/fixtures.py` wrote. */
internal object Fixtures {
    private val folder get() = File(property("pocketsearcher.fixtures"))

    /** A searcher by the name of its file. */
    fun searcher(name: String) = folder.resolve(name)

    val sample get() = folder.resolve("sample.tflite")
    val withRelevance get() = folder.resolve("relevance.tflite")
    val withFound get() = folder.resolve("found.tflite")
    val withGate get() = folder.resolve("gate.tflite")
    val leaves get() = folder.resolve("leaves.tflite")
    val fourBits get() = folder.resolve("four_bits.tflite")
    val split get() = folder.resolve("split.tflite")
    val codes get() = folder.resolve("codes.tflite")

    fun tokenized(name: String) = folder.resolve("tokenized").resolve(name).resolve("searcher.tflite")
    val newer get() = folder.resolve("newer.tflite")
    val checkpoint get() = folder.resolve("checkpoint.tflite")
    val asked get() = folder.resolve("asked").resolve("asked.tflite")
    val askedCases by lazy { JSONObject(folder.resolve("asked").resolve("asked.json").readText()) }
    val overlayCases by lazy { JSONObject(overlay("overlays.json").readText()) }

    fun overlay(name: String) = folder.resolve("overlays").resolve(name)

    val expected by lazy { JSONObject(folder.resolve("expected.json").readText()) }

    fun picture(file: String) = folder.resolve("pictures").resolve(file)

    fun open(file: File, overlay: File? = null): Searcher =
        Searcher.open(file, overlay) { LiteRtModel(it, property("pocketsearcher.litert")) }

    private fun property(name: String): String {
        val value = System.getProperty(name)
        assumeTrue("$name is not set; make android sets it", value != null)
        return value!!
    }
}

/** A result from Python: metadata and distances. */
internal fun JSONArray.neighbors() = List(length()) { getJSONArray(it).run { getString(0) to getDouble(1) } }

internal fun JSONArray.ints() = List(length(), ::getInt)

internal fun JSONArray.doubles() = List(length(), ::getDouble)

/** Compares the encoders of the checkpoint with Python: kernels round activations to 8 bits each in their own way. */
internal fun sameAsPython(searcher: Searcher) {
    val golden = searcher.manifest.golden
    assertEquals(setOf("search_text", "search_image", "search_embedding"), golden.map { it.signature }.toSet())
    assertTrue(golden.filter { it.signature != "search_embedding" }.all { it.tolerance!! in 0f..1e-2f })
    assertEquals(emptyList<String>(), searcher.check(pictures = true))
    for (case in Fixtures.expected.getJSONArray("checkpoint").orEmpty()) {
        val expected = case.getJSONArray("embedding").doubles()
        val found = searcher.embed(case.getString("query"))
        val cosine = expected.zip(found.asList()) { a, b -> a * b }.sum()
        assertTrue("${case.getString("query")}: $cosine", cosine > 0.999)
    }
}

/** A picture of big-endian int32 ARGB. */
internal class ArgbPixels(content: ByteArray, override val width: Int, override val height: Int) : Pixels {
    private val values = ByteBuffer.wrap(content).asIntBuffer()

    override fun readRow(y: Int, argb: IntArray) {
        for (x in argb.indices) argb[x] = values[y * width + x]
    }
}
