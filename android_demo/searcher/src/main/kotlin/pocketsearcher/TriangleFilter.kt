package pocketsearcher

import kotlin.math.abs
import kotlin.math.max

internal const val CHANNELS = 3
private const val WHITE = 255f

/**
 * Resizes a picture to [height] x [width], with white behind transparent pixels: RGB bytes, row by row.
 *
 * It is a triangle filter with a half-width of max(1, source / target) pixels per axis, as in docs/format.md and `task/vision/resize.py`.
 */
internal fun resize(pixels: Pixels, height: Int, width: Int): ByteArray {
    require(pixels.width > 0 && pixels.height > 0) { "the picture is ${pixels.width} x ${pixels.height}, expected at least one pixel." }
    val rows = weights(pixels.height, height)
    val columns = weights(pixels.width, width)
    val rgb = ByteArray(height * width * CHANNELS)
    val argb = IntArray(pixels.width)
    val sums = FloatArray(pixels.width * CHANNELS)
    for (y in 0 until height) {
        sums.fill(0f)
        rows[y].forEachIndexed { source, weight ->
            pixels.readRow(source, argb)
            addRow(argb, weight, sums)
        }
        for (x in 0 until width) {
            for (channel in 0 until CHANNELS) {
                var sum = 0f
                columns[x].forEachIndexed { source, weight -> sum += weight * sums[source * CHANNELS + channel] }
                rgb[(y * width + x) * CHANNELS + channel] = Math.rint(sum.toDouble()).toInt().coerceIn(0, 255).toByte()
            }
        }
    }
    return rgb
}

/** The weights of the source pixels of an output pixel, from pixel [first] on; they sum to 1. */
private class Weights(val first: Int, val shares: FloatArray) {
    inline fun forEachIndexed(use: (Int, Float) -> Unit) = shares.forEachIndexed { i, share -> use(first + i, share) }
}

private fun weights(source: Int, target: Int): List<Weights> {
    if (source == target) return List(target) { Weights(it, floatArrayOf(1f)) }
    val scale = source.toDouble() / target
    val support = max(scale, 1.0)
    return List(target) { i ->
        val centre = (i + 0.5) * scale
        val first = max(0, (centre - support - 0.5).toInt())
        val last = minOf(source - 1, (centre + support + 0.5).toInt())
        val raw = DoubleArray(last - first + 1) { max(0.0, 1 - abs(first + it + 0.5 - centre) / support) }
        val sum = raw.sum()
        Weights(first, FloatArray(raw.size) { (raw[it] / sum).toFloat() })
    }
}

private fun addRow(argb: IntArray, weight: Float, sums: FloatArray) {
    if (weight == 0f) return
    argb.forEachIndexed { x, pixel ->
        val alpha = pixel ushr 24
        for (channel in 0 until CHANNELS) {
            val value = (pixel ushr (16 - 8 * channel) and 0xff).toFloat()
            sums[x * CHANNELS + channel] += weight * if (alpha == 255) value else overWhite(value, alpha)
        }
    }
}

internal fun overWhite(value: Float, alpha: Int): Float = Math.rint((value * alpha + WHITE * (255 - alpha)) / 255.0).toFloat()
