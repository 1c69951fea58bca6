package pocketsearcher

/**
 * How a picture becomes the pixels of a query: `query.image` of the manifest; docs/format.md explains it.
 *
 * @property height Rows of the result.
 * @property width Columns of the result.
 * @property resize One of [RESIZES].
 * @property crop One of [CROPS].
 * @property shortestSide With a crop, the length that the shortest side of the picture is resized to.
 */
internal data class Preparation(val height: Int, val width: Int, val resize: String, val crop: String, val shortestSide: Int) {
    /** Rows and columns of the whole picture, of which the result is a part. */
    fun whole(pixels: Pixels): Pair<Int, Int> {
        if (crop == WHOLE) return height to width
        val (shorter, longer) = listOf(pixels.height, pixels.width).sorted()
        val longest = (shortestSide.toLong() * longer / shorter).toInt()
        return if (pixels.height <= pixels.width) shortestSide to longest else longest to shortestSide
    }

    /** What is cut off at the top or left, of a [surplus] in all. */
    fun margin(surplus: Int): Int {
        val half = surplus / 2
        return if (crop == CENTER_EVEN && surplus % 2 == 1 && half % 2 == 1) half + 1 else half
    }

    companion object {
        const val TRIANGLE = "triangle"
        const val BICUBIC = "pillow_bicubic"
        const val WHOLE = "none"
        private const val CENTER_EVEN = "center_half_to_even"
        val RESIZES = listOf(TRIANGLE, "pillow_bilinear", BICUBIC)
        val CROPS = listOf(WHOLE, "center", CENTER_EVEN)
    }
}

/** Resizes and crops a picture, with white behind transparent pixels: RGB bytes, row by row. */
internal fun prepare(pixels: Pixels, preparation: Preparation): ByteArray {
    val (height, width) = preparation.whole(pixels)
    val top = preparation.margin(height - preparation.height)
    val left = preparation.margin(width - preparation.width)
    if (preparation.resize != Preparation.TRIANGLE) {
        val rows = pillowWeights(pixels.height, height, top, preparation.height, preparation.resize)
        return pillowResize(pixels, rows, pillowWeights(pixels.width, width, left, preparation.width, preparation.resize))
    }
    val whole = resize(pixels, height, width)
    if (preparation.crop == Preparation.WHOLE) return whole
    return ByteArray(preparation.height * preparation.width * CHANNELS).also { cut ->
        for (y in 0 until preparation.height) {
            val start = ((top + y) * width + left) * CHANNELS
            whole.copyInto(cut, y * preparation.width * CHANNELS, start, start + preparation.width * CHANNELS)
        }
    }
}
