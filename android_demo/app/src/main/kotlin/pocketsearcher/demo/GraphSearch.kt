package pocketsearcher.demo

import android.graphics.Bitmap
import pocketsearcher.Answer
import pocketsearcher.Neighbor
import pocketsearcher.Searcher
import pocketsearcher.benchmark
import pocketsearcher.check

/**
 * Searches with a searcher graph.
 *
 * @param runtime Name and version of the runtime.
 * @param open Opens the file; [report] calls it again to measure.
 */
class GraphSearch(private val runtime: Pair<String, String>, private val open: () -> Searcher) : PhotoSearch {
    private val searcher = open()

    override val items get() = searcher.manifest.items
    override val takesPictures get() = "search_image" in searcher.signatures

    override fun search(text: String) = found(searcher.searchWords(text))

    override fun search(picture: Bitmap) = found(searcher.search(picture))

    override fun report(): String {
        val wrong = searcher.check()
        val checked = if (wrong.isEmpty()) "The file is complete; all golden queries have the right results." else wrong.joinToString("\n")
        val (name, version) = runtime
        return checked + "\n\n" + benchmark(DemoApplication.ASSET, name, version, open = open).toString(2)
    }

    override fun close() = searcher.close()

    private fun found(answer: Answer) = Found(answer.neighbors.map(::photo), answer.weaker.map(::photo))

    private fun photo(neighbor: Neighbor) = Photo(neighbor.text, neighbor.distance, neighbor.relevance)
}
