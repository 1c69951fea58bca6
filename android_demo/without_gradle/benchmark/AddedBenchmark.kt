package pocketsearcher

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val WARM_UP = 300
private const val DIMENSION = 128

/** Milliseconds of a search with added items, beside those of a plain search, query by query: base.tflite, added.f32 and queries.f32. */
fun main(arguments: Array<String>) {
    val folder = File(arguments.single())
    val (added, queries) = listOf("added.f32", "queries.f32").map { vectors(folder.resolve(it)) }
    val plain = Searcher.open(folder.resolve("base.tflite"))
    for (count in listOf(10_000, 50_000)) {
        val searcher = Searcher.open(folder.resolve("base.tflite"))
        val start = System.nanoTime()
        for (i in 0 until count) searcher.add(added[i], "$i")
        val adding = (System.nanoTime() - start) / 1e3 / count
        while (!searcher.hasCells) Thread.sleep(50)
        val made = (System.nanoTime() - start) / 1e9
        val times = List(2) { ArrayList<Double>() }
        for (query in queries) {
            for ((which, asked) in listOf(plain, searcher).withIndex()) {
                val begin = System.nanoTime()
                asked.search(query, 10)
                times[which] += (System.nanoTime() - begin) / 1e6
            }
        }
        val (before, after) = times.map { it.drop(WARM_UP).sorted() }
        println(
            "%,d added: %.2f times a plain search; p50 %.3f and %.3f ms, p99 %.3f and %.3f ms; %.0f us to add one, %.1f s until all have cells".format(
                count,
                after[after.size / 2] / before[before.size / 2],
                after[after.size / 2],
                before[before.size / 2],
                after[after.size * 99 / 100],
                before[before.size * 99 / 100],
                adding,
                made,
            ),
        )
        searcher.close()
    }
    plain.close()
}

private fun vectors(file: File): List<FloatArray> {
    val values = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    return List(values.capacity() / DIMENSION) { row -> FloatArray(DIMENSION) { values[row * DIMENSION + it] } }
}
