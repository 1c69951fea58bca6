package pocketsearcher.demo

import android.graphics.Bitmap
import android.os.Handler
import android.os.Looper
import java.io.FileNotFoundException
import java.util.concurrent.Executors

/** What the screen shows. */
sealed interface Screen {
    /** The searcher is being opened. */
    object Opening : Screen

    /** Nothing was asked yet. */
    data class Idle(val items: Int?) : Screen

    /** An answer, which may be empty. */
    data class Answered(val query: Query, val found: Found, val milliseconds: Double, val items: Int?) : Screen

    /** The searcher could not be opened; [missing] where the app has none. Opening again may help. */
    data class Closed(val message: String, val missing: Boolean) : Screen

    /** One question could not be answered. */
    data class Failed(val message: String) : Screen
}

/** What was asked. */
sealed interface Query {
    data class Text(val text: String) : Query

    /** A picture, decoded only when its turn comes. */
    class Picture(val name: String, val decode: () -> Bitmap) : Query
}

/**
 * Asks the searcher on a thread of its own and keeps the screen's state, which outlives an activity that is turned.
 *
 * Only the newest question counts: older ones that still wait are not asked, and their answers are dropped. To be used on the main thread.
 */
class SearchModel(private val open: () -> PhotoSearch) {
    private val main = Handler(Looper.getMainLooper())
    private val worker = Executors.newSingleThreadExecutor()
    private var search: PhotoSearch? = null // the worker's

    @Volatile private var newest = 0

    /** Told of every new state; null while no activity shows it. */
    var listener: ((Screen) -> Unit)? = null
        set(value) {
            field = value
            value?.invoke(screen)
        }

    /** Whether pictures can be asked with; false until the searcher is open. */
    var takesPictures = false
        private set

    var screen: Screen = Screen.Opening
        private set(value) {
            field = value
            listener?.invoke(value)
        }

    private var items: Int? = null
    private var pending: Query? = null // the newest question, for when the searcher is open

    init {
        openSearcher()
    }

    /** Opens the searcher, again after a failure. */
    fun openSearcher() {
        screen = Screen.Opening
        worker.execute {
            try {
                val opened = search ?: open()
                search = opened
                val (count, pictures) = opened.items to opened.takesPictures
                main.post {
                    items = count
                    takesPictures = pictures
                    screen = Screen.Idle(count)
                    pending?.let(::ask)
                }
            } catch (error: Exception) {
                main.post { screen = Screen.Closed(describe(error), missing = error is FileNotFoundException) }
            }
        }
    }

    /** Asks; the answer comes as a new [screen]. An empty text asks nothing. */
    fun ask(query: Query) {
        val number = ++newest
        pending = query
        val current = screen
        if (current is Screen.Opening || current is Screen.Closed) return
        if (query is Query.Text && query.text.isBlank()) {
            screen = Screen.Idle(items)
            return
        }
        worker.execute {
            if (number != newest) return@execute
            val next = answer(query)
            main.post { if (number == newest) screen = next }
        }
    }

    /** Checks and measures the searcher; [use] gets the text on the main thread. */
    fun report(use: (String) -> Unit) = worker.execute {
        val text = try {
            search?.report() ?: return@execute
        } catch (error: Exception) {
            describe(error)
        }
        main.post { use(text) }
    }

    /** Releases the searcher once the last question is answered. */
    fun close() {
        newest++
        listener = null
        worker.execute { search?.close() }
        worker.shutdown()
    }

    private fun answer(query: Query): Screen =
        try {
            val search = checkNotNull(search)
            val picture = (query as? Query.Picture)?.decode?.invoke()
            val start = System.nanoTime()
            val found = if (query is Query.Text) search.search(query.text) else search.search(checkNotNull(picture))
            Screen.Answered(query, found, (System.nanoTime() - start) / 1e6, items)
        } catch (error: Exception) {
            Screen.Failed(describe(error))
        }

    private fun describe(error: Exception) = error.message ?: error.javaClass.simpleName
}
