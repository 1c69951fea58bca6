package pocketsearcher.demo

import android.graphics.Bitmap
import java.io.Closeable

/** The search behind the screen: a searcher graph, or the Task Library. All calls may take long. */
interface PhotoSearch : Closeable {
    /** The number of photos; null if it is not known. */
    val items: Int?

    /** Whether [search] takes pictures. */
    val takesPictures: Boolean

    fun search(text: String): Found

    fun search(picture: Bitmap): Found

    /** Checks and measures the file on this device; returns a readable text. */
    fun report(): String
}

/**
 * The result of a query, nearest first.
 *
 * @property photos The relevant photos.
 * @property weaker The other photos, whose relevance is too low.
 */
data class Found(val photos: List<Photo>, val weaker: List<Photo> = emptyList())

/** A photo in a result, with its path in the builder. */
data class Photo(val path: String, val distance: Float, val relevance: Double? = null)
