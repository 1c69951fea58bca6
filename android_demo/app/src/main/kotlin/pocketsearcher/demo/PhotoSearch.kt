package pocketsearcher.demo

import android.net.Uri
import java.io.Closeable

/** The search behind the screen: a searcher graph, or the Task Library. All calls may take long. */
interface PhotoSearch : Closeable {
    /** The number of photos; null if it is not known. */
    val items: Int?

    /** Whether a question can have a picture. */
    val takesPictures: Boolean

    /** The filters to offer, column by column. */
    val filters: List<Filter>

    /** The photos of the phone among those that are searched; null if they cannot be. */
    val index: PhotoIndex? get() = null

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

/**
 * A photo in a result.
 *
 * @property path Its path in the builder, or its name on the phone.
 * @property item Its number, if others like it can be asked for.
 * @property uri Where it is on the phone; null for a photo of the app.
 */
data class Photo(
    val path: String,
    val distance: Float,
    val relevance: Double? = null,
    val item: Int? = null,
    val uri: Uri? = null,
)

/** A search that several have open; closing it calls [release]. */
class SharedSearch(private val search: PhotoSearch, private val release: () -> Unit) : PhotoSearch by search {
    override fun close() = release()
}
