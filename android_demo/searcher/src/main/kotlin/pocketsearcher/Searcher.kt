package pocketsearcher

import android.content.res.AssetManager
import android.graphics.Bitmap
import java.io.Closeable
import java.io.File
import java.nio.ByteBuffer

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
    private val model: Model

    init {
        if (items.size != manifest.items) {
            throw SearcherException(
                "${file.name}: holds ${items.size} items, expected ${manifest.items}; copy it again, or build it again.",
            )
        }
        model = openModel(file.model)
    }

    private val outputs = mapOf("distances" to nativeBuffer(FLOAT * manifest.k), "ids" to nativeBuffer(INT * manifest.k))
    private val evidence = nativeBuffer(FLOAT * EVIDENCE_VALUES)
    private val embedding = mapOf("embedding" to nativeBuffer(FLOAT * manifest.dimension))

    /** The signatures of the file: `search_text`, `search_image`, …. */
    val signatures: Set<String> get() = model.signatures

    /**
     * Finds the items nearest to a sentence. A sentence that is too long is cut between characters.
     *
     * @throws IllegalArgumentException The file does not take text.
     */
    fun search(text: String, maxResults: Int = manifest.k): Answer = search("search_text", textQuery(text, "search_text"), maxResults)

    /**
     * Finds the items nearest to what a person typed: a minus directly before a word, or before words in double quotes, leaves out what
     * shows them, as in `a dog -ball -"red car"`.
     *
     * @throws IllegalArgumentException The file does not take text, an excluded part has no word, or the text says only what to leave out.
     */
    fun searchWords(text: String, maxResults: Int = manifest.k): Answer {
        val query = ParsedQuery.of(text)
        if (query.excluded.isEmpty()) return search(text, maxResults)
        require(query.wanted.isNotEmpty()) { "\"$text\" says only what to exclude; say what to find, too." }
        val parts = (listOf(query.wanted) + query.excluded).map { part ->
            embed(part).also { vector -> require(vector.any { it != 0f }) { "\"$part\" has no word; leave it out." } }
        }
        val vector = compose(parts.take(1), parts.drop(1))
        return search(requireNotNull(vector) { "\"$text\" leaves out what it asks for." }, maxResults)
    }

    /**
     * Finds the items nearest to an upright picture of any size.
     *
     * @throws IllegalArgumentException The file does not take pictures.
     */
    fun search(bitmap: Bitmap, maxResults: Int = manifest.k): Answer = search(BitmapPixels(bitmap), maxResults)

    /**
     * Finds the items nearest to an embedding of [Manifest.dimension] values, which is not normalised.
     *
     * @throws IllegalArgumentException The embedding has another dimension, or a value that is not finite.
     */
    fun search(vector: FloatArray, maxResults: Int = manifest.k): Answer {
        require(vector.size == manifest.dimension) {
            "${file.name}: the query has ${vector.size} dimensions, expected ${manifest.dimension}."
        }
        require(vector.all { it.isFinite() }) { "${file.name}: the query has a value that is not finite, expected numbers only." }
        val query = nativeBuffer(FLOAT * vector.size)
        query.asFloatBuffer().put(vector)
        return search("search_embedding", query, maxResults)
    }

    /** The embedding of a sentence. It throws the exceptions of [search]. */
    fun embed(text: String): FloatArray = embed("embed_text", textQuery(text, "embed_text"))

    /** The embedding of a picture. It throws the exceptions of [search]. */
    fun embed(bitmap: Bitmap): FloatArray = embed(BitmapPixels(bitmap))

    /** The metadata of an item in 0 until [Manifest.items]. */
    fun item(number: Int): ByteArray = items[number]

    override fun close() = synchronized(model) { model.close() }

    /** Size of the file in bytes. */
    internal val bytes get() = file.size

    /** A part of the file, by its name in [Manifest.digests]. */
    internal fun part(name: String): ByteBuffer = if (name == "model") file.model else file.part(name)

    internal fun search(pixels: Pixels, maxResults: Int = manifest.k): Answer =
        search("search_image", imageQuery(pixels, "search_image"), maxResults)

    internal fun embed(pixels: Pixels): FloatArray = embed("embed_image", imageQuery(pixels, "embed_image"))

    private fun textQuery(text: String, signature: String): ByteBuffer {
        requireSignature(signature)
        val limit = requireNotNull(manifest.maxTextBytes) { "${file.name}: does not say how long a text may be." }
        return nativeBuffer(limit).apply { put(utf8(text, limit)) }
    }

    private fun imageQuery(pixels: Pixels, signature: String): ByteBuffer {
        requireSignature(signature)
        val rgb = prepare(pixels, requireNotNull(manifest.preparation) { "${file.name}: does not say how large a picture has to be." })
        return nativeBuffer(rgb.size).apply { put(rgb) }
    }

    private fun requireSignature(signature: String) = require(signature in signatures) {
        val tokens = if (TOKENS in signatures) " Its tokenizer lies beside the graph, which only Python reads." else ""
        "${file.name}: there is no $signature, it has ${signatures.sorted().joinToString()}.$tokens"
    }

    private fun embed(signature: String, query: ByteBuffer): FloatArray = synchronized(model) {
        model.run(signature, query, embedding)
        FloatArray(manifest.dimension).also { embedding.getValue("embedding").fromStart().asFloatBuffer().get(it) }
    }

    private fun search(signature: String, query: ByteBuffer, maxResults: Int): Answer {
        require(maxResults > 0) { "maxResults is $maxResults, expected at least 1." }
        requireSignature(signature)
        val curve = manifest.relevance[signature]
        // A curve that looks at the query wants to see more results than were asked for.
        val count = minOf(maxOf(maxResults, curve?.found?.results ?: 0), manifest.k)
        val ids = IntArray(count)
        val distances = FloatArray(count)
        val said = if (curve?.found == null) null else FloatArray(EVIDENCE_VALUES)
        synchronized(model) {
            model.run(signature, query, if (said == null) outputs else outputs + (EVIDENCE to evidence))
            outputs.getValue("ids").fromStart().asIntBuffer().get(ids)
            outputs.getValue("distances").fromStart().asFloatBuffer().get(distances)
            said?.let { evidence.fromStart().asFloatBuffer().get(it) }
        }
        val real = distances.take(ids.count { it >= 0 })
        val judged = curve?.judge(real, said)
        val neighbors = real.indices.take(maxResults).map { Neighbor(ids[it], items[ids[it]], distances[it], judged?.relevance?.get(it)) }
        val strong = minOf(judged?.strong ?: neighbors.size, neighbors.size)
        return Answer(neighbors.take(strong), neighbors.drop(strong), judged?.found)
    }

    companion object {
        private const val FLOAT = 4
        private const val INT = 4
        private const val TOKENS = "search_tokens"
        private const val EVIDENCE = "evidence"
        private const val EVIDENCE_VALUES = 2

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
