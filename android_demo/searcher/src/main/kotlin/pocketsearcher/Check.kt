package pocketsearcher

import java.security.MessageDigest
import kotlin.math.abs

private const val TOLERANCE = 1e-5f
private val ASKED = setOf("search_text", "search_embedding", "embed_text")
private val PICTURES = setOf("search_image", "embed_image")

/**
 * Checks that the file is complete, and that the golden queries have the same results on this device as in the builder.
 *
 * @param pictures Check the golden picture, too. Kernels round 8-bit image towers differently, so only float towers have to give the same
 *   result on all devices.
 * @return One line per difference; empty if there are none.
 */
fun Searcher.check(pictures: Boolean = false): List<String> =
    damagedParts() + manifest.golden.filter { it.signature in ASKED || pictures && it.signature in PICTURES }.mapNotNull(::difference)

private fun Searcher.damagedParts(): List<String> =
    manifest.digests.mapNotNull { (name, expected) ->
        // The digest reads from the position of the buffer and moves it to the end.
        val digest = MessageDigest.getInstance("SHA-256").apply { update(part(name).duplicate()) }.digest()
        val found = digest.joinToString("") { "%02x".format(it) }
        "$name: is damaged (SHA-256 $found, expected $expected)".takeIf { found != expected }
    }

private fun Searcher.difference(golden: GoldenQuery): String? {
    if (golden.embedding != null) return differenceOf(golden, golden.embedding)
    val answer = ask(golden)
    val found = (answer.neighbors + answer.weaker).take(golden.ids.size)
    val apart = found.zip(golden.distances) { neighbor, distance -> abs(neighbor.distance - distance) }.maxOrNull() ?: 0f
    val same = golden.tolerance != null || found.map { it.item } == golden.ids
    if (same && found.size == golden.ids.size && apart <= (golden.tolerance ?: TOLERANCE)) return null
    return "${golden.signature}: found ${found.map { it.item }}, up to $apart apart, expected ${golden.ids}"
}

private fun Searcher.differenceOf(golden: GoldenQuery, expected: FloatArray): String? {
    val found = if (golden.signature in PICTURES) embed(pattern()) else embed(golden.query as String)
    val apart = expected.indices.maxOf { abs(expected[it] - found[it]) }
    return "${golden.signature}: the embedding is up to $apart apart".takeIf { apart > (golden.tolerance ?: TOLERANCE) }
}

private fun Searcher.ask(golden: GoldenQuery): Answer =
    when (val query = golden.query) {
        is FloatArray -> search(query)
        is String -> if (golden.signature == "search_image") search(pattern()) else search(query)
        else -> throw SearcherException("a golden query is a ${query.javaClass.simpleName}, expected text or numbers; update the app.")
    }

/** The picture of golden image queries: pixel (row y, column x, channel c) is (3x + 5y + 60c) mod 256. */
private fun Searcher.pattern(): Pixels {
    val size = requireNotNull(manifest.imageSize)
    return object : Pixels {
        override val width = size.width
        override val height = size.height

        override fun readRow(y: Int, argb: IntArray) = argb.indices.forEach { x ->
            argb[x] = (0..2).fold(0xff) { packed, c -> packed shl 8 or ((3 * x + 5 * y + 60 * c) % 256) }
        }
    }
}
