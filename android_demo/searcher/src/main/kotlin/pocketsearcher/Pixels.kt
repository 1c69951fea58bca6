package pocketsearcher

import android.graphics.Bitmap

/** A picture that is read row by row, so that a photo of 50 megapixels needs no array for all pixels. */
internal interface Pixels {
    val width: Int
    val height: Int

    /** Reads row [y] into [argb], one pixel per element, packed as in [android.graphics.Color], without premultiplied alpha. */
    fun readRow(y: Int, argb: IntArray)
}

internal class BitmapPixels(bitmap: Bitmap) : Pixels {
    // A bitmap in graphics memory has to be copied before it can be read.
    private val bitmap = if (isInGraphicsMemory(bitmap)) bitmap.copy(Bitmap.Config.ARGB_8888, false) else bitmap
    override val width get() = bitmap.width
    override val height get() = bitmap.height

    override fun readRow(y: Int, argb: IntArray) = bitmap.getPixels(argb, 0, width, 0, y, width, 1)

    // By name, because the constant HARDWARE does not exist before Android 8.
    private fun isInGraphicsMemory(bitmap: Bitmap) = bitmap.config?.name == "HARDWARE"
}
