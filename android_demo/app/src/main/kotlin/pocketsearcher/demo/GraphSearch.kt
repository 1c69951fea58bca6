package pocketsearcher.demo

import pocketsearcher.Answer
import pocketsearcher.Lexical
import pocketsearcher.Neighbor
import pocketsearcher.Query
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

    /** The most frequent values of each column; columns in which most values are those of one photo are left out. */
    override val filters: List<Filter> by lazy {
        searcher.facets().filterValues { values -> values.size > 1 && values.sumOf { it.items } >= SHARED * values.size }
            .flatMap { (column, values) -> values.take(OFFERED).map { Filter(column, it.value, it.items, it.where) } }
    }

    override fun search(question: Question): Found {
        val (text, like) = question.text to question.like
        val where = question.where
        return found(
            when (like) {
                null -> searcher.searchWords(text, where = where, lexical = if (searcher.hasWords) Lexical.AUTO else Lexical.OFF)
                is Like.Picture -> searcher.search(Query(like.bitmap).with(text), where = where)
                is Like.Item ->
                    if (text.isBlank()) {
                        searcher.similar(like.item, where = where)
                    } else {
                        searcher.search(Query(searcher.embedding(like.item)).with(text), where = where)
                    }
            },
        )
    }

    private fun Query.with(text: String) = if (text.isBlank()) this else this + Query.parse(text)

    override fun report(): String {
        val wrong = searcher.check()
        val checked = if (wrong.isEmpty()) "The file is complete; all golden queries have the right results." else wrong.joinToString("\n")
        val (name, version) = runtime
        return checked + "\n\n" + benchmark(DemoApplication.ASSET, name, version, open = open).toString(2)
    }

    override fun close() = searcher.close()

    private fun found(answer: Answer) = Found(answer.neighbors.map(::photo), answer.weaker.map(::photo))

    private fun photo(neighbor: Neighbor) = Photo(neighbor.text, neighbor.distance, neighbor.relevance, neighbor.item)

    private companion object {
        const val OFFERED = 8
        const val SHARED = 2 // photos that have a value of a column, on average
    }
}
