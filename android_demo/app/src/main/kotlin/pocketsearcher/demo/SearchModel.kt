package pocketsearcher.demo

import android.graphics.Bitmap
import android.os.Handler
import android.os.Looper
import java.io.FileNotFoundException
import java.util.concurrent.Executors

/** The state of the screen. */
sealed interface Screen {
    /** The searcher is being opened. */
    object Opening : Screen

    /** There is no query yet. */
    data class Idle(val items: Int?) : Screen

    /** The result of a query; it may be empty. */
    data class Answered(val query: Query, val found: Found, val milliseconds: Double, val items: Int?) : Screen

    /** The searcher could not be opened; [missing] if the app has none. Opening it again may work. */
    data class Closed(val message: String, val missing: Boolean) : Screen

    /** A query failed. */
    data class Failed(val message: String) : Screen
}

/** A query. */
sealed interface Query {
    data class Text(val text: String) : Query

    /** A picture; it is decoded just before the search. */
    class Picture(val name: String, val decode: () -> Bitmap) : Query
}

/**
 * Searches on its own thread and keeps the state of the screen, which survives a rotation.
 *
 * Only the newest query counts: older ones are skipped if they still wait, and their results are dropped. Use it on the main thread.
 */
class SearchModel(private val open: () -> PhotoSearch) {
    private val main = Handler(Looper.getMainLooper())
    private val worker = Executors.newSingleThreadExecutor()
    private var search: PhotoSearch? = null // used by the worker only

    @Volatile private var newest = 0

    /** Receives every new state; null while no activity shows it. */
    var listener: ((Screen) -> Unit)? = null
        set(value) {
            field = value
            value?.invoke(screen)
        }

    /** Whether queries can be pictures; false until the searcher is open. */
    var takesPictures = false
        private set

    var screen: Screen = Screen.Opening
        private set(value) {
            field = value
            listener?.invoke(value)
        }

    private var items: Int? = null
    private var pending: Query? = null // the newest query, to run when the searcher is open

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

    /** Runs a query; the result becomes the new [screen]. An empty text is no query. */
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

    /** Releases the searcher after the query that is running. */
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
