package pocketsearcher

import kotlin.math.abs
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

private const val BITS = 22 // of a weight behind the point
private const val HALF = 1 shl (BITS - 1)
private const val SHARPNESS = -0.5 // Keys, "Cubic convolution interpolation for digital image processing", 1981

/** The weights of the source pixels of a target pixel, from pixel [first] on: whole numbers of 2^-22. */
internal class PillowWeights(val first: Int, val shares: IntArray)

/** The weights of Pillow's filter [name] for [count] target pixels from [from] on, as in docs/format.md and `task/vision/pillow_filters.py`. */
internal fun pillowWeights(source: Int, target: Int, from: Int, count: Int, name: String): List<PillowWeights> {
    if (source == target) return List(count) { PillowWeights(from + it, intArrayOf(1 shl BITS)) }
    val cubic = name == Preparation.BICUBIC
    val scale = source.toDouble() / target
    val stretch = max(scale, 1.0)
    val support = (if (cubic) 2.0 else 1.0) * stretch
    return List(count) { i ->
        val centre = (from + i + 0.5) * scale
        val first = max(0, (centre - support + 0.5).toInt())
        val last = min(source, (centre + support + 0.5).toInt())
        val raw = DoubleArray(last - first) {
            val x = abs((first + it - centre + 0.5) * (1.0 / stretch))
            if (cubic) keys(x) else max(0.0, 1.0 - x)
        }
        var sum = 0.0
        for (value in raw) sum += value
        PillowWeights(first, IntArray(raw.size) { wholeNumber(raw[it] / sum * (1 shl BITS)) })
    }
}

/** Resizes columns, then rows, and rounds after each, as Pillow does: RGB bytes, row by row. */
internal fun pillowResize(pixels: Pixels, rows: List<PillowWeights>, columns: List<PillowWeights>): ByteArray {
    val first = rows.first().first
    val last = rows.maxOf { it.first + it.shares.size }
    val line = columns.size * CHANNELS
    val narrow = ByteArray((last - first) * line)
    val argb = IntArray(pixels.width)
    for (y in first until last) {
        pixels.readRow(y, argb)
        for (x in argb.indices) if (argb[x] ushr 24 != 255) argb[x] = overWhite(argb[x])
        columns.forEachIndexed { x, weights ->
            for (channel in 0 until CHANNELS) {
                val shift = 16 - 8 * channel
                var sum = HALF
                for (i in weights.shares.indices) sum += weights.shares[i] * (argb[weights.first + i] ushr shift and 0xff)
                narrow[(y - first) * line + x * CHANNELS + channel] = clipped(sum)
            }
        }
    }
    val rgb = ByteArray(rows.size * line)
    rows.forEachIndexed { y, weights ->
        for (x in 0 until line) {
            var sum = HALF
            for (i in weights.shares.indices) sum += weights.shares[i] * (narrow[(weights.first - first + i) * line + x].toInt() and 0xff)
            rgb[y * line + x] = clipped(sum)
        }
    }
    return rgb
}

private fun overWhite(pixel: Int): Int {
    val alpha = pixel ushr 24
    val (red, green, blue) = listOf(16, 8, 0).map { overWhite((pixel ushr it and 0xff).toFloat(), alpha).toInt() }
    return (255 shl 24) or (red shl 16) or (green shl 8) or blue
}

private fun clipped(sum: Int): Byte = (sum shr BITS).coerceIn(0, 255).toByte()

/** Halves away from zero. */
private fun wholeNumber(value: Double): Int = if (value < 0) -floor(0.5 - value).toInt() else floor(value + 0.5).toInt()

private fun keys(x: Double): Double = when {
    x < 1 -> ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1
    x < 2 -> (((x - 5) * x + 8) * x - 4) * SHARPNESS
    else -> 0.0
}
