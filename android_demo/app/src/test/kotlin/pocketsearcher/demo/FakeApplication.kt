package pocketsearcher.demo

import java.util.concurrent.CopyOnWriteArrayList

/** The app with a search that the test controls. */
class FakeApplication : DemoApplication() {
    val search = FakeSearch()

    /** Thrown when the searcher is opened. */
    var refusal: Exception? = null

    override fun openSearch(): PhotoSearch = refusal?.let { throw it } ?: search
}

private val YEAR = Filter("year(taken)", "2024", 700, "year(taken) == 2024")

class FakeSearch : PhotoSearch {
    /** The queries, in order. */
    val asked = CopyOnWriteArrayList<String>()

    /** Called on the worker for each query; returns the result. */
    @Volatile var answer: (String) -> Found = { Found(listOf(Photo("images/$it.png", -0.5f))) }

    @Volatile var closed = false
        private set

    override val items = 7000
    override val takesPictures = true
    override val filters = listOf(Filter("tags", "sea", 12, "'sea' in tags"), Filter("tags", "snow", 3, "'snow' in tags"), YEAR)

    override fun search(question: Question): Found {
        val like = when (val like = question.like) {
            is Like.Picture -> "${like.bitmap.width} x ${like.bitmap.height}"
            is Like.Item -> "item ${like.item}"
            null -> null
        }
        val text = listOfNotNull(like, question.text.ifEmpty { null }, question.where).joinToString(" | ")
        asked += text
        return answer(text)
    }

    override fun report() = "all is well"

    override fun close() {
        closed = true
    }
}
