package pocketsearcher.demo

import android.content.Context
import android.net.Uri
import android.os.Handler
import android.os.Looper
import android.os.Process
import kotlin.concurrent.thread

/** What the screen shows of the user's own photos. */
sealed interface GalleryState {
    /** The user did not ask for them. */
    object Off : GalleryState

    /** The user did not let the app read them. */
    object Denied : GalleryState

    /** They are being indexed; [rest] says why that waits. */
    data class Working(val progress: GalleryProgress, val rest: Rest? = null) : GalleryState

    /** The user paused it. */
    data class Paused(val progress: GalleryProgress?) : GalleryState

    /** All that the app may read are indexed; [some] if the user chose which these are. */
    data class Done(val progress: GalleryProgress, val some: Boolean) : GalleryState

    data class Failed(val message: String) : GalleryState
}

/**
 * Indexes the photos of the phone on a thread of low priority, as long as the process lives. It waits while the battery is low or saved and
 * while the phone is warm. The next start of the app goes on where the index was last saved.
 *
 * Use it on the main thread.
 *
 * @param open Opens the search, which is closed again when nothing is left to do.
 * @param reasonToRest Called on the worker.
 */
class GalleryWorker(
    private val context: Context,
    private val open: () -> PhotoSearch,
    private val reasonToRest: () -> Rest? = context::reasonToRest,
) {
    private val main = Handler(Looper.getMainLooper())
    private val kept = context.getSharedPreferences("gallery", Context.MODE_PRIVATE)
    private val lock = Object()
    private var worker: Thread? = null
    private var again = false // something changed while the worker was at it
    private val picked = ArrayList<Uri>()

    @Volatile private var stopping = false

    /** Receives every new state; null while no activity shows it. */
    var listener: ((GalleryState) -> Unit)? = null
        set(value) {
            field = value
            value?.invoke(state)
        }

    var state: GalleryState = first()
        private set(value) {
            field = value
            listener?.invoke(value)
        }

    private var isOn: Boolean
        get() = kept.getBoolean(ON, false)
        set(value) = kept.edit().putBoolean(ON, value).apply()

    private var isPaused: Boolean
        get() = kept.getBoolean(PAUSED, false)
        set(value) = kept.edit().putBoolean(PAUSED, value).apply()

    private fun first() = if (isOn && isPaused) GalleryState.Paused(null) else GalleryState.Off

    /** The user wants their photos to be found, and was asked for the permission. */
    fun turnOn() {
        isOn = true
        isPaused = false
        start()
    }

    /** Looks for new, changed and deleted photos, if the user wants that. */
    fun start() {
        if (!isOn || isPaused) return
        if (context.galleryAccess() == Access.NONE && synchronized(lock) { picked.isEmpty() }) {
            if (worker == null) state = GalleryState.Denied
            return
        }
        if (worker != null) {
            again = true
            return
        }
        stopping = false
        state = GalleryState.Working(GalleryProgress(0, 0))
        worker = thread(name = "gallery") { work() }
    }

    /** Indexes pictures that the user picked, which needs no permission. */
    fun add(uris: List<Uri>) {
        synchronized(lock) { picked += uris }
        isOn = true
        isPaused = false
        start()
    }

    fun pause() {
        isPaused = true
        val progress = (state as? GalleryState.Working)?.progress
        stop()
        state = GalleryState.Paused(progress)
    }

    fun resume() = turnOn()

    /** Removes the user's photos from the search, and looks for none any more. */
    fun forget() {
        isOn = false
        isPaused = false
        stop()
        state = GalleryState.Off
        val before = worker
        worker = thread(name = "gallery") {
            before?.join()
            val search = open()
            search.use { it.index?.let { index -> GalleryIndexer(index, { error("nothing is decoded") }).forget() } }
            main.post { worker = null }
        }
    }

    private fun stop() {
        stopping = true
        again = false
        synchronized(lock) { lock.notifyAll() }
    }

    private fun work() {
        Process.setThreadPriority(Process.THREAD_PRIORITY_BACKGROUND)
        val end = try {
            open().use { search -> index(checkNotNull(search.index) { "this searcher takes no pictures." }) }
        } catch (error: Exception) {
            GalleryState.Failed(error.message ?: error.javaClass.simpleName)
        }
        main.post {
            worker = null
            if (!stopping) state = end
            if (again || stopping && isOn && !isPaused) {
                again = false
                start()
            }
        }
    }

    private fun index(index: PhotoIndex): GalleryState {
        val resolver = context.contentResolver
        val indexer = GalleryIndexer(index, { resolver.decodePicture(it) }, index.refused)
        var last = GalleryProgress(0, 0)
        val report = { progress: GalleryProgress ->
            last = progress
            show(progress, null)
        }
        val access = context.galleryAccess()
        if (access != Access.NONE) indexer.run(resolver.galleryPhotos(), { mayGoOn(last) }, report)
        while (!stopping) {
            val uris = synchronized(lock) { picked.toList().also { picked.clear() } }
            if (uris.isEmpty()) break
            indexer.add(uris.map { resolver.pickedPhoto(it) }, { mayGoOn(last) }, report)
        }
        return if (access == Access.NONE && last.total == 0) GalleryState.Denied else GalleryState.Done(last, access != Access.ALL)
    }

    private fun mayGoOn(progress: GalleryProgress): Boolean {
        while (!stopping) {
            val rest = reasonToRest() ?: return true
            show(progress, rest)
            synchronized(lock) { if (!stopping) lock.wait(RESTING_MS) }
        }
        return false
    }

    private fun show(progress: GalleryProgress, rest: Rest?) {
        main.post { if (!stopping) state = GalleryState.Working(progress, rest) }
    }

    private companion object {
        const val ON = "on"
        const val PAUSED = "paused"
        const val RESTING_MS = 10_000L
    }
}
