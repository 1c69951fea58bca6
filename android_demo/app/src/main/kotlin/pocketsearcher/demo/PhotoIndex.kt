package pocketsearcher.demo

import android.graphics.Bitmap
import android.net.Uri
import java.io.IOException

/** The photos of the phone in a search. It is thread-safe, and searches do not wait for it. */
interface PhotoIndex {
    /** Why an index that was saved could not be used, so that it starts anew; null if it could. */
    val refused: String?

    /** The photos in the index. */
    fun photos(): List<IndexedPhoto>

    /** The embedding of a picture. */
    fun embed(bitmap: Bitmap): FloatArray

    fun add(vector: FloatArray, photo: GalleryPhoto)

    fun remove(photo: IndexedPhoto)

    /** @throws IOException It cannot be written. */
    fun save()
}

/**
 * A photo in the index.
 *
 * @property item Its number in the searcher.
 * @property id Its number in MediaStore; null for a picture that was picked one by one.
 */
class IndexedPhoto(val item: Int, val id: Long?, val uri: Uri, private val modified: Long, private val bytes: Long) {
    /** Whether the photo is still the same. */
    fun isSame(photo: GalleryPhoto) = photo.modified == modified && photo.bytes == bytes
}
