package pocketsearcher.demo

import android.content.Context
import org.tensorflow.lite.task.processor.NearestNeighbor
import org.tensorflow.lite.task.processor.SearcherOptions
import org.tensorflow.lite.task.text.searcher.TextSearcher
import org.tensorflow.lite.task.text.searcher.TextSearcher.TextSearcherOptions

private const val MAX_RESULTS = 50

/**
 * Searches a file of `ExportFormat.TASK_LIBRARY` with the TextSearcher of the Task Library, for apps that already use that library.
 *
 * The library tokenizes, embeds and searches in native code. It gives neither the number of items nor their relevance, and queries with
 * pictures need another class, ImageSearcher.
 */
class TaskLibrarySearch(context: Context) : PhotoSearch {
    private val searcher: TextSearcher = TextSearcher.createFromFileAndOptions(
        context,
        DemoApplication.ASSET,
        TextSearcherOptions.builder()
            .setSearcherOptions(SearcherOptions.builder().setMaxResults(MAX_RESULTS).build())
            .build(),
    )

    override val items: Int? = null
    override val takesPictures = false
    override val filters = emptyList<Filter>()

    override fun search(question: Question) = Found(searcher.search(question.text).map(::photo))

    override fun report() = "The Task Library does not say what it runs."

    override fun close() = searcher.close()

    private fun photo(neighbor: NearestNeighbor) = Photo(Charsets.UTF_8.decode(neighbor.metadata).toString(), neighbor.distance)
}
