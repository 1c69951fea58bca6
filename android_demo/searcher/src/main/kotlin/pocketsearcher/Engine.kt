package pocketsearcher

import java.io.Closeable
import java.io.File
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

/** What is asked besides the query; [chosen] is null if any item may be found. [overlay] is what was added and removed when it was asked. */
internal class Request(val maxResults: Int, val chosen: BitSet?, val overlay: OverlayState)

/** Answers queries: with the signatures of the graph, and beside them where these cannot. */
internal class Engine(private val file: SearcherFile, val manifest: Manifest, openModel: (ByteBuffer) -> Model) : Closeable {
    val name get() = file.name
    val items = ItemTable(file.part(ItemTable.OFFSETS), file.part(ItemTable.BYTES), file.name)
    val squared = manifest.distance == "squared_l2"
    val exact by lazy { ExactSearch(StoredRows.of(file, manifest.dimension), squared) }
    val hasWords get() = LexicalIndex.LIST in file
    val graph: GraphRunner
    val overlay: Overlay
    private val storedFacts by lazy { StoredFacts(file, manifest.items) }
    private val storedWords by lazy { LexicalIndex.of(file, manifest.items) }

    @Volatile private var facts: Pair<Int, Facts>? = null // and of which version of the overlay

    @Volatile private var lexical: Pair<Int, LexicalSearch>? = null // the same

    init {
        if (items.size != manifest.items) {
            throw SearcherException(
                "${file.name}: holds ${items.size} items, expected ${manifest.items}; copy it again, or build it again.",
            )
        }
        overlay = Overlay(manifest.items, manifest.dimension, exact = manifest.keepsFloats)
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
        checkVector(vector, "query")
        val input = nativeBuffer(Float.SIZE_BYTES * vector.size)
        input.asFloatBuffer().put(vector)
        return Asked(Asked.EMBEDDING, input, vector)
    }

    fun checkVector(vector: FloatArray, what: String) {
        require(vector.size == manifest.dimension) {
            "${file.name}: the $what has ${vector.size} dimensions, expected ${manifest.dimension}."
        }
        require(vector.all { it.isFinite() }) { "${file.name}: the $what has a value that is not finite, expected numbers only." }
    }

    fun embed(asked: Asked): FloatArray = asked.vector ?: graph.embed("embed_${asked.kind}", asked.input)

    fun request(maxResults: Int, where: String?, allowed: IntArray?): Request {
        require(maxResults > 0) { "maxResults is $maxResults, expected at least 1." }
        val now = overlay.state
        return Request(maxResults, chosen(where, allowed, now), now)
    }

    /** Whether the graph gives as many results as were asked for, or all. */
    private fun isInGraph(maxResults: Int) = maxResults <= manifest.k || manifest.items <= manifest.k

    /** The items that both filters leave; null if there is none. */
    fun chosen(where: String?, allowed: IntArray?, now: OverlayState): BitSet? {
        val given = allowed?.let { numbers ->
            BitSet(now.nextId).apply {
                for (item in numbers) {
                    require(item in 0 until now.nextId) { "allowed has item $item, expected numbers from 0 to ${now.nextId - 1}." }
                    set(item)
                }
            }
        }
        val matching = where?.let { facts(now).matching(WhereParser.parse(it)) } ?: return given
        return given?.apply { and(matching) } ?: matching
    }

    /** The facts of all items. */
    fun facts(now: OverlayState): Facts {
        facts?.takeIf { it.first == now.version }?.let { return it.second }
        val added = if (now.nextId > now.baseItems || now.types.isNotEmpty()) listOf(now.facts) else emptyList()
        return Facts(listOf(storedFacts) + added).also { facts = now.version to it }
    }

    /** The search by words. */
    fun lexical(now: OverlayState): LexicalSearch {
        lexical?.takeIf { it.first == now.version }?.let { return it.second }
        val base = LexicalPart(storedWords, 0, now.hidden)
        return LexicalSearch(listOf(base) + listOfNotNull(now.words())).also { lexical = now.version to it }
    }

    /** The metadata of an item, which may have been removed since. */
    fun metadata(item: Int, now: OverlayState): ByteArray =
        if (item < manifest.items) items[item] else now.added[now.place(item)].metadata

    fun search(asked: Asked, request: Request): Answer {
        val curve = manifest.relevance["search_${asked.kind}"]
        // A curve that looks at the query wants to see more results than were asked for.
        val count = maxOf(request.maxResults, curve?.found?.results ?: 0)
        val looksAtQuery = curve?.found != null
        val inGraph = request.chosen == null && !request.overlay.changed && isInGraph(request.maxResults) && manifest.items > 0
        val answered = if (inGraph || looksAtQuery) graph.search("search_${asked.kind}", asked.input, count, looksAtQuery) else null
        val found = if (inGraph) {
            answered!!.found
        } else {
            val vector = embed(asked)
            if (asked.kind == Asked.TEXT && vector.all { it == 0f }) return Answer(emptyList(), emptyList()) // no word
            find(vector, request.chosen, count, request.overlay)
        }
        val judged = curve?.judge(found.distances.asList(), answered?.evidence)
        val neighbors = found.ids.indices.take(request.maxResults).map { i ->
            Neighbor(found.ids[i], metadata(found.ids[i], request.overlay), found.distances[i], judged?.relevance?.get(i))
        }
        val strong = minOf(judged?.strong ?: neighbors.size, neighbors.size)
        return Answer(neighbors.take(strong), neighbors.drop(strong), judged?.found)
    }

    /**
     * The nearest items: the exact nearest of those that were chosen, or of all where the graph gives too few. Otherwise those of the graph
     * without removed ones, merged with the added ones that are as near. Python does the same (task/search/finder.py).
     */
    fun find(vector: FloatArray, chosen: BitSet?, count: Int, now: OverlayState): Nearest {
        val among = chosen ?: if (isInGraph(count)) null else now.present()
        if (among != null) {
            val base = among.get(0, manifest.items).apply { andNot(now.hidden) }
            val added = now.nearest(vector, squared, count, among)
            return (if (base.isEmpty) Nearest.NONE else exact.nearest(vector, base, count)).mergedWith(added, count)
        }
        val answered =
            if (manifest.items == 0) Nearest.NONE else graph.search("search_embedding", asked(vector).input, manifest.k, false).found
        val shown = answered.filter { !now.hidden[it] }
        val near = shown.first(count)
        val limit = if (near.size == count) near.distances.last() else Float.MAX_VALUE
        val added = now.nearest(vector, squared, count, cells = overlay.cells, limit = limit)
        val found = near.mergedWith(added, count)
        // All further items are at least as far as the last result of the graph. There are none if it returns fewer than k.
        val complete = answered.size < manifest.k || found.size == count && found.distances.last() <= answered.distances.last()
        if (complete || shown.size == answered.size) return found
        return exact.nearest(vector, now.base(), count).mergedWith(added, count)
    }

    /** Adds an item; its words are indexed if those of the file are. */
    fun add(vector: FloatArray, metadata: String, facts: Map<String, Any?>, captions: List<String>): Int {
        checkVector(vector, "item")
        val norm = kotlin.math.sqrt(vector.sumOf { it.toDouble() * it })
        require(!manifest.normalized || kotlin.math.abs(norm - 1) <= NORM_TOLERANCE) {
            "$name: the item's embedding has norm ${"%.4g".format(java.util.Locale.ROOT, norm)}, the file's have 1; divide it by its norm."
        }
        val content = metadata.toByteArray()
        val known = checked(facts, facts(overlay.state).types)
        return overlay.add(vector, content, known, if (hasWords) termsOf(content, known.values, captions) else null)
    }

    fun remove(item: Int) {
        if (item in 0 until manifest.items) exact // fails now, not in a later search: results in place of removed items need the rows
        overlay.remove(item)
    }

    fun save(path: File) = writeOverlay(path, overlay.state, fingerprint(), hasWords)

    fun load(path: File) {
        val content = readOverlay(path)
        val base = fingerprint()
        if (content.base != base || content.baseItems != manifest.items || content.dimension != manifest.dimension) {
            throw SearcherException(
                "$path: it belongs to another searcher (sha256.model ${content.base.take(12)}…, ${content.baseItems} items), not to " +
                    "$name (${base.take(12)}…, ${manifest.items} items); open it with the file that it was saved beside.",
            )
        }
        if (content.removed.isNotEmpty()) exact
        overlay.load(content)
    }

    private fun fingerprint() = manifest.digests["model"]
        ?: throw SearcherException("$name: its manifest has no sha256.model, by which an overlay knows its base; build it again.")

    override fun close() = graph.close()

    private companion object {
        const val NORM_TOLERANCE = 1e-3
    }
}
