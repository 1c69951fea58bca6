package pocketsearcher.demo

import android.content.ContentResolver
import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.os.Handler
import android.os.Looper
import android.util.LruCache
import java.io.IOException
import java.util.concurrent.Executors

/** Thumbnails of photos, in the assets of the app or on the phone, decoded on their own threads and cached. */
class Thumbnails(private val assets: AssetManager, private val resolver: ContentResolver) {
    private val main = Handler(Looper.getMainLooper())
    private val workers = Executors.newFixedThreadPool(2)
    private val kept = object : LruCache<String, Bitmap>(cacheBytes()) {
        override fun sizeOf(key: String, bitmap: Bitmap) = bitmap.byteCount
    }

    /** The thumbnail if it is cached. */
    fun now(photo: Photo): Bitmap? = kept.get(photo.key)

    /**
     * Loads a thumbnail.
     *
     * @param wanted Called on a worker before decoding; false if the cell has been scrolled away.
     * @param use Receives the thumbnail on the main thread; null if there is none.
     */
    fun load(photo: Photo, wanted: () -> Boolean, use: (Bitmap?) -> Unit) = workers.execute {
        if (!wanted()) return@execute
        val bitmap = decode(photo)
        main.post {
            bitmap?.let { kept.put(photo.key, it) }
            use(bitmap)
        }
    }

    /** Decodes a thumbnail; null if there is none. */
    fun decode(photo: Photo): Bitmap? =
        try {
            if (photo.uri != null) {
                resolver.decodePicture(photo.uri, SIDE)
            } else {
                assets.open("$FOLDER/${photo.path}$SUFFIX").use(BitmapFactory::decodeStream)
            }
        } catch (_: IOException) {
            null // the photo could not be read when the app was built, or is gone since; the cell shows its name
        } catch (_: SecurityException) {
            null // the app may not read it any more
        }

    fun close() = workers.shutdownNow()

    private companion object {
        // The same as in maker/preview/thumbnails.py.
        const val FOLDER = "thumbnails"
        const val SUFFIX = ".webp"
        const val SIDE = 320

        fun cacheBytes() = (Runtime.getRuntime().maxMemory() / 8).toInt()
    }
}

/** What tells a photo from all others. */
internal val Photo.key get() = uri?.toString() ?: path
