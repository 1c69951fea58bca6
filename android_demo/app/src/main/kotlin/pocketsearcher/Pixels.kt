package pocketsearcher

import android.graphics.Bitmap

/** A picture that is read row by row, so that a photo of 50 megapixels needs no array of its own. */
internal interface Pixels {
    val width: Int
    val height: Int

    /** Reads row [y] into [argb], a pixel an element as [android.graphics.Color] packs them, alpha not multiplied in. */
    fun readRow(y: Int, argb: IntArray)
}

internal class BitmapPixels(bitmap: Bitmap) : Pixels {
    // A bitmap in the graphics memory cannot be read in place.
    private val bitmap = if (isInGraphicsMemory(bitmap)) bitmap.copy(Bitmap.Config.ARGB_8888, false) else bitmap
    override val width get() = bitmap.width
    override val height get() = bitmap.height

    override fun readRow(y: Int, argb: IntArray) = bitmap.getPixels(argb, 0, width, 0, y, width, 1)

    // By name: the constant HARDWARE is of Android 8.
    private fun isInGraphicsMemory(bitmap: Bitmap) = bitmap.config?.name == "HARDWARE"
}
