package pocketsearcher.demo

import android.graphics.Bitmap
import java.io.Closeable

/** What the screen asks: the searcher graph, or the Task Library. All calls may take long. */
interface PhotoSearch : Closeable {
    /** How many photos there are; null where the file does not say. */
    val items: Int?

    /** Whether [search] takes pictures. */
    val takesPictures: Boolean

    fun search(text: String): Found

    fun search(picture: Bitmap): Found

    /** Checks and measures the file on this device, as text for people. */
    fun report(): String
}

/**
 * What was found, nearest first.
 *
 * @property photos What answers the query.
 * @property weaker What follows, below the relevance that the file calls an answer.
 */
data class Found(val photos: List<Photo>, val weaker: List<Photo> = emptyList())

/** A photo that was found, by the path that the builder knew it by. */
data class Photo(val path: String, val distance: Float, val relevance: Double? = null)
