package pocketsearcher.demo

import android.graphics.Bitmap
import java.util.concurrent.CopyOnWriteArrayList

/** The app with a search that the test controls. */
class FakeApplication : DemoApplication() {
    val search = FakeSearch()

    /** Thrown when the searcher is opened. */
    var refusal: Exception? = null

    override fun openSearch(): PhotoSearch = refusal?.let { throw it } ?: search
}

class FakeSearch : PhotoSearch {
    /** The queries, in order. */
    val asked = CopyOnWriteArrayList<String>()

    /** Called on the worker for each query; returns the result. */
    @Volatile var answer: (String) -> Found = { Found(listOf(Photo("images/$it.png", -0.5f))) }

    @Volatile var closed = false
        private set

    override val items = 7000
    override val takesPictures = true

    override fun search(text: String): Found {
        asked += text
        return answer(text)
    }

    override fun search(picture: Bitmap) = search("${picture.width} x ${picture.height}")

    override fun report() = "all is well"

    override fun close() {
        closed = true
    }
}
