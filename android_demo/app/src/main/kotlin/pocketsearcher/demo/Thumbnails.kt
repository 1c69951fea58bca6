package pocketsearcher.demo

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.os.Handler
import android.os.Looper
import android.util.LruCache
import java.io.IOException
import java.util.concurrent.Executors

/** The photos' thumbnails in the app's assets, decoded on threads of their own and kept while there is room. */
class Thumbnails(private val assets: AssetManager) {
    private val main = Handler(Looper.getMainLooper())
    private val workers = Executors.newFixedThreadPool(2)
    private val kept = object : LruCache<String, Bitmap>(cacheBytes()) {
        override fun sizeOf(path: String, bitmap: Bitmap) = bitmap.byteCount
    }

    /** The thumbnail where it is at hand. */
    fun now(path: String): Bitmap? = kept.get(path)

    /**
     * Loads a thumbnail.
     *
     * @param wanted Asked on a worker before it is decoded: a cell that was scrolled away wants it no more.
     * @param use Gets it on the main thread; null where there is none.
     */
    fun load(path: String, wanted: () -> Boolean, use: (Bitmap?) -> Unit) = workers.execute {
        if (!wanted()) return@execute
        val bitmap = decode(path)
        main.post {
            bitmap?.let { kept.put(path, it) }
            use(bitmap)
        }
    }

    /** Decodes a thumbnail; null where there is none. */
    fun decode(path: String): Bitmap? =
        try {
            assets.open("$FOLDER/$path$SUFFIX").use(BitmapFactory::decodeStream)
        } catch (_: IOException) {
            null // a photo that could not be read when the app was made; its cell shows the name
        }

    fun close() = workers.shutdownNow()

    private companion object {
        // As maker/preview/thumbnails.py writes them.
        const val FOLDER = "thumbnails"
        const val SUFFIX = ".webp"

        fun cacheBytes() = (Runtime.getRuntime().maxMemory() / 8).toInt()
    }
}
