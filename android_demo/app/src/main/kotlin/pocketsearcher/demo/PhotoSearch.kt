package pocketsearcher.demo

import java.io.Closeable

/** The search behind the screen: a searcher graph, or the Task Library. All calls may take long. */
interface PhotoSearch : Closeable {
    /** The number of photos; null if it is not known. */
    val items: Int?

    /** Whether a question can have a picture. */
    val takesPictures: Boolean

    /** The filters to offer, column by column. */
    val filters: List<Filter>

    fun search(question: Question): Found

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

/** A photo in a result, with its path in the builder, and its number if others like it can be asked for. */
data class Photo(val path: String, val distance: Float, val relevance: Double? = null, val item: Int? = null)
