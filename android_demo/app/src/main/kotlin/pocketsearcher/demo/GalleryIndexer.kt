package pocketsearcher.demo

import android.graphics.Bitmap
import android.net.Uri
import java.io.IOException

private const val SAVED_PHOTOS = 200 // the most work that is lost when the app is ended
private const val SAVED_MS = 30_000

/**
 * How far the photos of the phone are indexed.
 *
 * @property done Photos that were looked at.
 * @property broken The photos that cannot be read, with the reason.
 * @property note What else the user should know.
 */
data class GalleryProgress(val done: Int, val total: Int, val broken: List<String> = emptyList(), val note: String? = null)

/**
 * Brings an index to what is on the phone: adds new photos, replaces those that changed, and removes deleted ones.
 *
 * What is known of a photo is in the index itself, so work that was interrupted goes on where it was last saved.
 */
class GalleryIndexer(
    private val index: PhotoIndex,
    private val decode: (Uri) -> Bitmap,
    private val note: String? = null,
    private val savedPhotos: Int = SAVED_PHOTOS,
) {
    private val broken = HashMap<Uri, Pair<GalleryPhoto, String>>()
    private var unsaved = 0
    private var savedAt = System.currentTimeMillis()

    /**
     * Indexes the photos that the app may read.
     *
     * @param mayGoOn Called before each photo; it may wait. False ends the work, which is saved.
     */
    fun run(photos: List<GalleryPhoto>, mayGoOn: () -> Boolean, report: (GalleryProgress) -> Unit) {
        val known = index.photos().filter { it.id != null }.associateBy { it.id }
        val there = photos.mapTo(HashSet()) { it.id }
        for ((id, indexed) in known) if (id !in there) change { index.remove(indexed) }
        val uris = photos.mapTo(HashSet()) { it.uri }
        broken.keys.retainAll(uris)
        val todo = photos.filter { known[it.id]?.isSame(it) != true && broken[it.uri]?.first != it }
        work(todo, photos.size, mayGoOn, report) { photo, vector ->
            known[photo.id]?.let(index::remove)
            if (vector != null) index.add(vector, photo)
        }
    }

    /** Adds pictures that the user picked; those that were picked before are replaced. */
    fun add(photos: List<GalleryPhoto>, mayGoOn: () -> Boolean, report: (GalleryProgress) -> Unit) {
        val known = index.photos().associateBy { it.uri }
        work(photos, photos.size, mayGoOn, report) { photo, vector ->
            known[photo.uri]?.let(index::remove)
            if (vector != null) index.add(vector, photo)
        }
    }

    /** Removes all photos of the phone. */
    fun forget() {
        index.photos().forEach { change { index.remove(it) } }
        broken.clear()
        save()
    }

    private fun work(
        todo: List<GalleryPhoto>,
        total: Int,
        mayGoOn: () -> Boolean,
        report: (GalleryProgress) -> Unit,
        use: (GalleryPhoto, FloatArray?) -> Unit,
    ) {
        var done = total - todo.size
        report(progress(done, total))
        try {
            for (photo in todo) {
                if (!mayGoOn()) break
                val vector = embed(photo)
                change { use(photo, vector) }
                report(progress(++done, total))
            }
        } finally {
            save()
        }
    }

    /** The embedding of a photo; null if it cannot be read. */
    private fun embed(photo: GalleryPhoto): FloatArray? {
        val reason = try {
            return index.embed(decode(photo.uri)).also { broken -= photo.uri }
        } catch (error: IOException) {
            error.message
        } catch (error: RuntimeException) { // what a decoder throws for content that is no picture, and MediaStore for what is gone
            error.message
        } catch (_: OutOfMemoryError) {
            "it is too large for the memory of this phone"
        }
        broken[photo.uri] = photo to (reason.orEmpty().lineSequence().first().ifEmpty { "it cannot be read" })
        return null
    }

    private fun change(make: () -> Unit) {
        make()
        unsaved++
        if (unsaved >= savedPhotos || System.currentTimeMillis() - savedAt >= SAVED_MS) save()
    }

    private fun save() {
        if (unsaved > 0) index.save()
        unsaved = 0
        savedAt = System.currentTimeMillis()
    }

    private fun progress(done: Int, total: Int) =
        GalleryProgress(done, total, broken.values.map { (photo, reason) -> "${photo.path}: $reason" }.sorted(), note)
}
