package pocketsearcher

import android.os.Build
import org.json.JSONObject
import java.io.File
import kotlin.random.Random

private const val RESULTS = 10
private const val WARM_UP = 5
private const val DISTINCT = 16 // different queries, used in turn
private const val MILLISECOND = 1e6 // in nanoseconds
private const val TEXT = "a photo of a man riding a bike"
private val PERCENTILES = listOf(50, 90, 99)

/**
 * Measures a searcher on this device, with the same figures and keys as `python -m task.benchmark`.
 *
 * @param name Name of the file in the result.
 * @param runtime Name of the interpreter in the result.
 * @param version Version of the interpreter.
 * @param threads Number of threads that [open] gives to the interpreter.
 * @param queries Number of queries of each kind.
 * @param opens How many times to open the file for each kind of query.
 * @param open Opens the file.
 * @return Times in milliseconds, by percentile, and the resident memory in MB of 10^6 bytes.
 */
fun benchmark(
    name: String,
    runtime: String,
    version: String,
    threads: Int = 1,
    queries: Int = 200,
    opens: Int = 10,
    open: () -> Searcher,
): JSONObject {
    val resident = mutableMapOf("start" to residentMegabytes())
    val file: Map<String, Any>
    val asked: List<String>
    val warm: Map<String, JSONObject>
    open().use { searcher ->
        resident["opened"] = residentMegabytes()
        val manifest = searcher.manifest
        file = mapOf("name" to name, "bytes" to searcher.bytes, "items" to manifest.items, "dimension" to manifest.dimension)
        val questions = questions(searcher)
        asked = questions.keys.filter { it.startsWith("search_") }
        warm = questions.mapValues { (_, ask) ->
            repeat(WARM_UP, ask)
            percentiles(List(queries) { milliseconds { ask(it) } })
        }
        resident["asked"] = residentMegabytes()
    }
    val opening = mutableListOf<Double>()
    val first = asked.ifEmpty { warm.keys }.associateWith { mutableListOf<Double>() }
    for ((kind, times) in first) {
        repeat(opens) {
            val start = System.nanoTime()
            open().use { searcher ->
                opening += millisecondsSince(start)
                val ask = questions(searcher).getValue(kind)
                times += milliseconds { ask(0) }
            }
        }
    }
    return JSONObject(
        mapOf(
            "file" to file,
            "runtime" to mapOf("name" to runtime, "version" to version),
            "machine" to machine(),
            "threads" to threads,
            "open_ms" to percentiles(opening),
            "first_query_ms" to first.mapValues { percentiles(it.value) }.of("search_"),
            "embed_ms" to warm.of("embed_"),
            "search_ms" to warm.of("search_"),
            "resident_mb" to JSONObject(resident.toMap()),
        ),
    )
}

/** A function for each signature of the file; its argument chooses the query. */
private fun questions(searcher: Searcher): Map<String, (Int) -> Unit> {
    val random = Random(0)
    val golden = searcher.manifest.golden.filter { it.signature == "search_text" }.map { it.query as String }
    val texts = golden.ifEmpty { listOf(TEXT) }
    val vectors = List(DISTINCT) { FloatArray(searcher.manifest.dimension) { random.nextFloat() - 0.5f } }
    val pictures = searcher.manifest.imageSize?.let { size -> List(DISTINCT) { Noise(size, random.nextInt()) } }.orEmpty()
    return mapOf<String, (Int) -> Unit>(
        "search_embedding" to { i -> searcher.search(vectors[i % DISTINCT], RESULTS) },
        "embed_text" to { i -> searcher.embed(texts[i % texts.size]) },
        "search_text" to { i -> searcher.search(texts[i % texts.size], RESULTS) },
        "embed_image" to { i -> searcher.embed(pictures[i % DISTINCT]) },
        "search_image" to { i -> searcher.search(pictures[i % DISTINCT], RESULTS) },
    ).filterKeys { it in searcher.signatures }
}

/** A random picture with the size that the file takes. */
private class Noise(size: Manifest.ImageSize, seed: Int) : Pixels {
    override val width = size.width
    override val height = size.height
    private val values = IntArray(width * height).also { pixels ->
        val random = Random(seed)
        for (i in pixels.indices) pixels[i] = random.nextInt() or (0xff shl 24)
    }

    override fun readRow(y: Int, argb: IntArray) {
        values.copyInto(argb, 0, y * width, (y + 1) * width)
    }
}

private inline fun milliseconds(work: () -> Unit): Double {
    val start = System.nanoTime()
    work()
    return millisecondsSince(start)
}

private fun millisecondsSince(start: Long): Double = (System.nanoTime() - start) / MILLISECOND

/** Percentiles, interpolated as in NumPy. */
private fun percentiles(values: List<Double>): JSONObject {
    val sorted = values.sorted()
    val found = PERCENTILES.associate { percent ->
        val place = percent / 100.0 * (sorted.size - 1)
        val below = sorted[place.toInt()]
        val above = sorted[minOf(place.toInt() + 1, sorted.lastIndex)]
        "p$percent" to Math.round((below + (above - below) * (place - place.toInt())) * 1e4) / 1e4
    }
    return JSONObject(found + ("count" to values.size))
}

/** The signatures whose names start with [kind], without this prefix. */
private fun Map<String, JSONObject>.of(kind: String) = JSONObject(filterKeys { it.startsWith(kind) }.mapKeys { it.key.removePrefix(kind) })

private fun machine() = mapOf(
    "system" to "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
    "architecture" to Build.SUPPORTED_ABIS.firstOrNull(),
    "processor" to "${Build.MANUFACTURER} ${Build.MODEL} (${Build.HARDWARE})",
    "cores" to Runtime.getRuntime().availableProcessors(),
)

/** The resident memory of this process, as Linux reports it. */
private fun residentMegabytes(): Double? {
    val line = File("/proc/self/status").readLines().firstOrNull { it.startsWith("VmRSS:") }
    return line?.filter(Char::isDigit)?.toLongOrNull()?.let { kibibytes -> Math.round(kibibytes * 1024 / 1e5) / 10.0 }
}
