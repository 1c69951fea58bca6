package pocketsearcher.demo

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
    data class Answered(val question: Question, val found: Found, val milliseconds: Double, val items: Int?) : Screen

    /** The searcher could not be opened; [missing] if the app has none. Opening it again may work. */
    data class Closed(val message: String, val missing: Boolean) : Screen

    /** A query failed. */
    data class Failed(val message: String) : Screen
}

/**
 * Searches on its own thread and keeps the state of the screen, which survives a rotation.
 *
 * Only the newest question counts: older ones are skipped if they still wait, and their results are dropped. Use it on the main thread.
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

    /** Whether questions can have pictures; false until the searcher is open. */
    var takesPictures = false
        private set

    /** The filters to offer; none until the searcher is open. */
    var filters: List<Filter> = emptyList()
        private set

    /** The newest question; one that is asked before the searcher is open is answered then. */
    var question = Question()
        private set

    var screen: Screen = Screen.Opening
        private set(value) {
            field = value
            listener?.invoke(value)
        }

    private var items: Int? = null

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
                val (count, pictures, offered) = Triple(opened.items, opened.takesPictures, opened.filters)
                main.post {
                    items = count
                    takesPictures = pictures
                    filters = offered
                    screen = Screen.Idle(count)
                    if (!question.isEmpty) ask(question)
                }
            } catch (error: Exception) {
                main.post { screen = Screen.Closed(describe(error), missing = error is FileNotFoundException) }
            }
        }
    }

    /** Counts again what can be searched, and what can be filtered by, after it has changed. */
    fun refresh() {
        worker.execute {
            val opened = search ?: return@execute
            val (count, offered) = opened.items to opened.filters
            main.post {
                items = count
                filters = offered
                if (screen is Screen.Idle) screen = Screen.Idle(count)
            }
        }
    }

    /** Asks; the result becomes the new [screen]. */
    fun ask(asked: Question) {
        val number = ++newest
        question = asked
        val current = screen
        if (current is Screen.Opening || current is Screen.Closed) return
        if (asked.isEmpty) {
            screen = Screen.Idle(items)
            return
        }
        worker.execute {
            if (number != newest) return@execute
            val next = answer(asked)
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

    private fun answer(asked: Question): Screen =
        try {
            val search = checkNotNull(search)
            (asked.like as? Like.Picture)?.bitmap // decoding is not part of the time
            val start = System.nanoTime()
            val found = search.search(asked)
            Screen.Answered(asked, found, (System.nanoTime() - start) / 1e6, items)
        } catch (error: Exception) {
            Screen.Failed(describe(error))
        }

    private fun describe(error: Exception) = error.message ?: error.javaClass.simpleName
}
