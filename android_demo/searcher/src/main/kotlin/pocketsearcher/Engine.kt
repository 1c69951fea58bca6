package pocketsearcher

import java.io.Closeable
import java.nio.ByteBuffer
import java.util.BitSet

/** A query: its kind, the input of its signature, and its embedding if that is known. */
internal class Asked(val kind: String, val input: ByteBuffer, val vector: FloatArray? = null) {
    companion object {
        const val TEXT = "text" // kinds, as in the names of signatures
        const val IMAGE = "image"
        const val EMBEDDING = "embedding"
    }
}

/** What is asked besides the query; [chosen] is null if any item may be found. */
internal class Request(val maxResults: Int, val chosen: BitSet?)

/** Answers queries: with the signatures of the graph, and beside them where these cannot. */
internal class Engine(private val file: SearcherFile, val manifest: Manifest, openModel: (ByteBuffer) -> Model) : Closeable {
    val name get() = file.name
    val items = ItemTable(file.part(ItemTable.OFFSETS), file.part(ItemTable.BYTES), file.name)
    val facts by lazy { Facts(file, manifest.items) }
    val exact by lazy { ExactSearch(StoredRows.of(file, manifest.dimension), manifest.distance == "squared_l2") }
    val hasWords get() = LexicalIndex.LIST in file
    val lexical by lazy { LexicalSearch(LexicalIndex.of(file, manifest.items)) }
    val graph: GraphRunner

    init {
        if (items.size != manifest.items) {
            throw SearcherException(
                "${file.name}: holds ${items.size} items, expected ${manifest.items}; copy it again, or build it again.",
            )
        }
        graph = GraphRunner(openModel(file.model), manifest, file.name)
    }

    fun asked(text: String): Asked {
        graph.require("embed_text")
        val limit = requireNotNull(manifest.maxTextBytes) { "${file.name}: does not say how long a text may be." }
        return Asked(Asked.TEXT, nativeBuffer(limit).apply { put(utf8(text, limit)) })
    }

    fun asked(pixels: Pixels): Asked {
        graph.require("embed_image")
        val rgb = prepare(pixels, requireNotNull(manifest.preparation) { "${file.name}: does not say how large a picture has to be." })
        return Asked(Asked.IMAGE, nativeBuffer(rgb.size).apply { put(rgb) })
    }

    fun asked(vector: FloatArray): Asked {
        require(vector.size == manifest.dimension) {
            "${file.name}: the query has ${vector.size} dimensions, expected ${manifest.dimension}."
        }
        require(vector.all { it.isFinite() }) { "${file.name}: the query has a value that is not finite, expected numbers only." }
        val input = nativeBuffer(Float.SIZE_BYTES * vector.size)
        input.asFloatBuffer().put(vector)
        return Asked(Asked.EMBEDDING, input, vector)
    }

    fun embed(asked: Asked): FloatArray = asked.vector ?: graph.embed("embed_${asked.kind}", asked.input)

    fun request(maxResults: Int, where: String?, allowed: IntArray?): Request {
        require(maxResults > 0) { "maxResults is $maxResults, expected at least 1." }
        val chosen = chosen(where, allowed)
        return Request(maxResults, if (chosen == null && !isInGraph(maxResults)) everything() else chosen)
    }

    /** Whether the graph gives as many results as were asked for, or all. */
    fun isInGraph(maxResults: Int) = maxResults <= manifest.k || manifest.items <= manifest.k

    /** The items that both filters leave; null if there is none. */
    fun chosen(where: String?, allowed: IntArray?): BitSet? {
        val given = allowed?.let { numbers ->
            BitSet(manifest.items).apply {
                for (item in numbers) {
                    require(item in 0 until manifest.items) { "allowed has item $item, expected numbers from 0 to ${manifest.items - 1}." }
                    set(item)
                }
            }
        }
        val matching = where?.let { WhereParser.parse(it).items(facts) } ?: return given
        return given?.apply { and(matching) } ?: matching
    }

    fun everything() = BitSet(manifest.items).apply { set(0, manifest.items) }

    fun search(asked: Asked, request: Request): Answer {
        val curve = manifest.relevance["search_${asked.kind}"]
        // A curve that looks at the query wants to see more results than were asked for.
        val count = maxOf(request.maxResults, curve?.found?.results ?: 0)
        val looksAtQuery = curve?.found != null
        val answered =
            if (request.chosen == null || looksAtQuery) graph.search("search_${asked.kind}", asked.input, count, looksAtQuery) else null
        val found = if (request.chosen == null) {
            answered!!.found
        } else {
            val vector = embed(asked)
            if (asked.kind == Asked.TEXT && vector.all { it == 0f }) return Answer(emptyList(), emptyList()) // no word
            exact.nearest(vector, request.chosen, count)
        }
        val judged = curve?.judge(found.distances.asList(), answered?.evidence)
        val neighbors = found.ids.indices.take(request.maxResults).map { i ->
            Neighbor(found.ids[i], items[found.ids[i]], found.distances[i], judged?.relevance?.get(i))
        }
        val strong = minOf(judged?.strong ?: neighbors.size, neighbors.size)
        return Answer(neighbors.take(strong), neighbors.drop(strong), judged?.found)
    }

    override fun close() = graph.close()
}
