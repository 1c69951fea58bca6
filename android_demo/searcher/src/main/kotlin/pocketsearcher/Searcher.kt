package pocketsearcher

import android.content.res.AssetManager
import android.graphics.Bitmap
import java.io.Closeable
import java.io.File
import java.nio.ByteBuffer
import java.util.BitSet

/**
 * An open `searcher.tflite`.
 *
 * ```
 * Searcher.open(File(filesDir, "searcher.tflite")).use { searcher ->
 *     for (neighbor in searcher.search("a man riding a bike").neighbors) println("${neighbor.text} ${neighbor.distance}")
 * }
 * ```
 *
 * Thread-safe: calls wait for each other. Do not use it on the main thread, because opening reads from storage.
 */
class Searcher private constructor(private val file: SearcherFile, openModel: (ByteBuffer) -> Model) : Closeable {
    /** The manifest of the file. */
    val manifest = Manifest.read(file.part(Manifest.FILE).bytes(), file.name)
    private val items = ItemTable(file.part(ItemTable.OFFSETS), file.part(ItemTable.BYTES), file.name)
    private val graph: GraphRunner

    init {
        if (items.size != manifest.items) {
            throw SearcherException(
                "${file.name}: holds ${items.size} items, expected ${manifest.items}; copy it again, or build it again.",
            )
        }
        graph = GraphRunner(openModel(file.model), manifest, file.name)
    }

    private val exact by lazy { ExactSearch(StoredRows.of(file, manifest.dimension), manifest.distance == "squared_l2") }
    private val known by lazy { Facts(file, manifest.items) }

    /** The signatures of the file: `search_text`, `search_image`, …. */
    val signatures: Set<String> get() = graph.signatures

    /** The columns of facts, by name, and their types: `number`, `time`, `text` or `tags`. */
    val facts: Map<String, String> get() = known.types

    /**
     * Finds the items nearest to a sentence. A sentence that is too long is cut between characters.
     *
     * @param maxResults Maximum number of results. More than [Manifest.k] make it score all items.
     * @param where A filter on the facts of the items, such as `year >= 2024 and 'beach' in tags`; null for none. All items that it leaves
     *   are scored, so the result is exact.
     * @param allowed The numbers of the items that may be found; null for all. With [where], both apply.
     * @throws IllegalArgumentException The file does not take text, or a filter cannot be used.
     */
    fun search(text: String, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer =
        search(Asked("text", textQuery(text)), request(maxResults, where, allowed))

    /**
     * Finds the items nearest to what a person typed: a minus directly before a word, or before words in double quotes, leaves out what
     * shows them, as in `a dog -ball -"red car"`.
     *
     * @throws IllegalArgumentException The file does not take text, an excluded part has no word, the text says only what to leave out, or
     *   a filter cannot be used.
     */
    fun searchWords(text: String, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer {
        val query = ParsedQuery.of(text)
        if (query.excluded.isEmpty()) return search(text, maxResults, where, allowed)
        require(query.wanted.isNotEmpty()) { "\"$text\" says only what to exclude; say what to find, too." }
        val parts = (listOf(query.wanted) + query.excluded).map { part ->
            embed(part).also { vector -> require(vector.any { it != 0f }) { "\"$part\" has no word; leave it out." } }
        }
        val vector = compose(parts.take(1), parts.drop(1))
        return search(requireNotNull(vector) { "\"$text\" leaves out what it asks for." }, maxResults, where, allowed)
    }

    /**
     * Finds the items nearest to an upright picture of any size.
     *
     * @throws IllegalArgumentException The file does not take pictures, or a filter cannot be used.
     */
    fun search(bitmap: Bitmap, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer =
        search(BitmapPixels(bitmap), maxResults, where, allowed)

    /**
     * Finds the items nearest to an embedding of [Manifest.dimension] values, which is not normalised.
     *
     * @throws IllegalArgumentException The embedding has another dimension or a value that is not finite, or a filter cannot be used.
     */
    fun search(vector: FloatArray, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer {
        require(vector.size == manifest.dimension) {
            "${file.name}: the query has ${vector.size} dimensions, expected ${manifest.dimension}."
        }
        require(vector.all { it.isFinite() }) { "${file.name}: the query has a value that is not finite, expected numbers only." }
        val query = nativeBuffer(Float.SIZE_BYTES * vector.size)
        query.asFloatBuffer().put(vector)
        return search(Asked(EMBEDDING, query, vector), request(maxResults, where, allowed))
    }

    /**
     * Counts the values of facts, the most frequent first.
     *
     * @param columns Columns, and parts of times such as `year(taken)`; null for all columns of texts and tags, and the years of times.
     * @param where Count only items that meet this filter.
     * @param allowed Count only these items: for what a query finds, those of [Answer.neighbors].
     * @throws IllegalArgumentException There is no such column, or a filter cannot be used.
     */
    fun facets(columns: Collection<String>? = null, where: String? = null, allowed: IntArray? = null): Map<String, List<Facet>> {
        val names = columns
            ?: facts.filterValues { it != Facts.NUMBER }.map { (name, type) -> if (type == Facts.TIME) "year($name)" else name }
        val among = chosen(where, allowed) ?: everything()
        return names.associateWith { known.counts(it, among) }
    }

    /** The embedding of a sentence. It throws the exceptions of [search]. */
    fun embed(text: String): FloatArray = graph.embed("embed_text", textQuery(text))

    /** The embedding of a picture. It throws the exceptions of [search]. */
    fun embed(bitmap: Bitmap): FloatArray = embed(BitmapPixels(bitmap))

    /** The metadata of an item in 0 until [Manifest.items]. */
    fun item(number: Int): ByteArray = items[number]

    override fun close() = graph.close()

    /** Size of the file in bytes. */
    internal val bytes get() = file.size

    /** A part of the file, by its name in [Manifest.digests]. */
    internal fun part(name: String): ByteBuffer = if (name == "model") file.model else file.part(name)

    internal fun search(pixels: Pixels, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer =
        search(Asked("image", imageQuery(pixels)), request(maxResults, where, allowed))

    internal fun embed(pixels: Pixels): FloatArray = graph.embed("embed_image", imageQuery(pixels))

    private fun textQuery(text: String): ByteBuffer {
        graph.require("embed_text")
        val limit = requireNotNull(manifest.maxTextBytes) { "${file.name}: does not say how long a text may be." }
        return nativeBuffer(limit).apply { put(utf8(text, limit)) }
    }

    private fun imageQuery(pixels: Pixels): ByteBuffer {
        graph.require("embed_image")
        val rgb = prepare(pixels, requireNotNull(manifest.preparation) { "${file.name}: does not say how large a picture has to be." })
        return nativeBuffer(rgb.size).apply { put(rgb) }
    }

    /** A query: `text`, `image` or `embedding`, the input of its signature, and its embedding if that is known. */
    private class Asked(val kind: String, val input: ByteBuffer, val vector: FloatArray? = null)

    /** What is asked besides the query; [chosen] is null if any item may be found. */
    private class Request(val maxResults: Int, val chosen: BitSet?)

    private fun request(maxResults: Int, where: String?, allowed: IntArray?): Request {
        require(maxResults > 0) { "maxResults is $maxResults, expected at least 1." }
        val chosen = chosen(where, allowed)
        val enough = maxResults <= manifest.k || manifest.items <= manifest.k
        return Request(maxResults, if (chosen == null && !enough) everything() else chosen)
    }

    /** The items that both filters leave; null if there is none. */
    private fun chosen(where: String?, allowed: IntArray?): BitSet? {
        val given = allowed?.let { numbers ->
            BitSet(manifest.items).apply {
                for (item in numbers) {
                    require(item in 0 until manifest.items) { "allowed has item $item, expected numbers from 0 to ${manifest.items - 1}." }
                    set(item)
                }
            }
        }
        val matching = where?.let { WhereParser.parse(it).items(known) } ?: return given
        return given?.apply { and(matching) } ?: matching
    }

    private fun everything() = BitSet(manifest.items).apply { set(0, manifest.items) }

    private fun search(asked: Asked, request: Request): Answer {
        val signature = "search_${asked.kind}"
        val curve = manifest.relevance[signature]
        // A curve that looks at the query wants to see more results than were asked for.
        val count = maxOf(request.maxResults, curve?.found?.results ?: 0)
        val looksAtQuery = curve?.found != null
        val answered = if (request.chosen == null || looksAtQuery) graph.search(signature, asked.input, count, looksAtQuery) else null
        val found = if (request.chosen == null) {
            answered!!.found
        } else {
            val vector = asked.vector ?: graph.embed("embed_${asked.kind}", asked.input)
            if (vector.all { it == 0f }) return Answer(emptyList(), emptyList()) // a text without a word
            exact.nearest(vector, request.chosen, count)
        }
        val judged = curve?.judge(found.distances.asList(), answered?.evidence)
        val neighbors = found.ids.indices.take(request.maxResults).map { i ->
            Neighbor(found.ids[i], items[found.ids[i]], found.distances[i], judged?.relevance?.get(i))
        }
        val strong = minOf(judged?.strong ?: neighbors.size, neighbors.size)
        return Answer(neighbors.take(strong), neighbors.drop(strong), judged?.found)
    }

    companion object {
        private const val EMBEDDING = "embedding"

        /**
         * Opens a file, which is memory-mapped.
         *
         * @param threads Number of threads for a query; one is fastest for small files.
         * @throws SearcherException The file is not a searcher, or it is damaged or newer than this library.
         */
        fun open(file: File, threads: Int = 1): Searcher = open(SearcherFile.map(file), threads)

        /** Opens an asset that is stored uncompressed: `androidResources { noCompress += "tflite" }`. */
        fun open(assets: AssetManager, name: String, threads: Int = 1): Searcher = open(SearcherFile.map(assets, name), threads)

        private fun open(file: SearcherFile, threads: Int) = Searcher(file) { TfLiteModel(it, threads, file.name) }

        /** Opens a file with another runtime than that of the app. */
        fun open(file: File, openModel: (ByteBuffer) -> Model): Searcher = Searcher(SearcherFile.map(file), openModel)

        /** Opens an asset with another runtime than that of the app. */
        fun open(assets: AssetManager, name: String, openModel: (ByteBuffer) -> Model): Searcher =
            Searcher(SearcherFile.map(assets, name), openModel)
    }
}
