package pocketsearcher.demo

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.os.Handler
import android.os.Looper
import android.util.LruCache
import java.io.IOException
import java.util.concurrent.Executors

/** Thumbnails of photos in the assets of the app, decoded on their own threads and cached. */
class Thumbnails(private val assets: AssetManager) {
    private val main = Handler(Looper.getMainLooper())
    private val workers = Executors.newFixedThreadPool(2)
    private val kept = object : LruCache<String, Bitmap>(cacheBytes()) {
        override fun sizeOf(path: String, bitmap: Bitmap) = bitmap.byteCount
    }

    /** The thumbnail if it is cached. */
    fun now(path: String): Bitmap? = kept.get(path)

    /**
     * Loads a thumbnail.
     *
     * @param wanted Called on a worker before decoding; false if the cell has been scrolled away.
     * @param use Receives the thumbnail on the main thread; null if there is none.
     */
    fun load(path: String, wanted: () -> Boolean, use: (Bitmap?) -> Unit) = workers.execute {
        if (!wanted()) return@execute
        val bitmap = decode(path)
        main.post {
            bitmap?.let { kept.put(path, it) }
            use(bitmap)
        }
    }

    /** Decodes a thumbnail; null if there is none. */
    fun decode(path: String): Bitmap? =
        try {
            assets.open("$FOLDER/$path$SUFFIX").use(BitmapFactory::decodeStream)
        } catch (_: IOException) {
            null // the photo could not be read when the app was built; the cell shows its name
        }

    fun close() = workers.shutdownNow()

    private companion object {
        // The same as in maker/preview/thumbnails.py.
        const val FOLDER = "thumbnails"
        const val SUFFIX = ".webp"

        fun cacheBytes() = (Runtime.getRuntime().maxMemory() / 8).toInt()
    }
}
