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
 * Items can be added and removed while it is open. The file itself never changes: [saveOverlay] writes the changes into a file beside it,
 * which [open] takes with the searcher.
 *
 * Thread-safe: runs of the model wait for each other, and so do changes. A search never waits for a change, and sees all that were made
 * before it. Do not use it on the main thread, because opening reads from storage.
 */
class Searcher private constructor(private val file: SearcherFile, openModel: (ByteBuffer) -> Model) : Closeable {
    /** The manifest of the file. */
    val manifest = Manifest.read(file.part(Manifest.FILE).bytes(), file.name)

    private val engine = Engine(file, manifest, openModel)

    /** The signatures of the file: `search_text`, `search_image`, …. */
    val signatures: Set<String> get() = engine.graph.signatures

    /** The columns of facts, by name, and their types: `number`, `time`, `text` or `tags`. */
    val facts: Map<String, String> get() = engine.facts(engine.overlay.state).types

    /** How many numbers of items there are. Added items count, and removed ones still count. */
    val items: Int get() = engine.overlay.state.nextId

    /** How many items there are; added ones count, removed ones do not. */
    val size: Int get() = engine.overlay.state.size

    /** Whether the file has an index of words, for [Lexical]. */
    val hasWords: Boolean get() = engine.hasWords

    /**
     * Finds the items nearest to a sentence. A sentence that is too long is cut between characters.
     *
     * @param maxResults Maximum number of results. More than [Manifest.k] make it score all items.
     * @param where A filter on the facts of the items, such as `year >= 2024 and 'beach' in tags`; null for none. All items that it leaves
     *   are scored, so the result is exact.
     * @param allowed The numbers of the items that may be found; null for all. With [where], both apply.
     * @param lexical Whether the words of the sentence are also looked up in names, captions and text facts. Then results come in the order
     *   of both lists together, and an item whose file name is the whole sentence is first.
     * @throws IllegalArgumentException The file does not take text, it has no index of words, or a filter cannot be used.
     */
    fun search(
        text: String,
        maxResults: Int = manifest.k,
        where: String? = null,
        allowed: IntArray? = null,
        lexical: Lexical = Lexical.OFF,
    ): Answer {
        val request = engine.request(maxResults, where, allowed)
        return if (lexical == Lexical.OFF) engine.search(engine.asked(text), request) else engine.searchWords(text, request, lexical)
    }

    /**
     * Finds the items nearest to what a person typed: a minus directly before a word, or before words in double quotes, leaves out what
     * shows them, as in `a dog -ball -"red car"`.
     *
     * @param lexical As in [search], for a text that leaves nothing out.
     * @throws IllegalArgumentException The file does not take text, an excluded part has no word, the text says only what to leave out, the
     *   file has no index of words, or a filter cannot be used.
     */
    fun searchWords(
        text: String,
        maxResults: Int = manifest.k,
        where: String? = null,
        allowed: IntArray? = null,
        lexical: Lexical = Lexical.OFF,
    ): Answer {
        val query = Query.parse(text)
        if (query.excluded.isEmpty()) return search(text, maxResults, where, allowed, lexical)
        return search(query, maxResults, where, allowed)
    }

    /**
     * Finds the items nearest to a query of several parts.
     *
     * @throws IllegalArgumentException The file does not take a part, a sentence has no word, nothing is left of the query, or a filter
     *   cannot be used.
     */
    fun search(query: Query, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer =
        when (val part = query.onlyPart) {
            is Query.Part.Text -> search(part.text, maxResults, where, allowed)
            is Query.Part.Picture -> search(part.pixels, maxResults, where, allowed)
            else -> search(engine.composed(query), maxResults, where, allowed)
        }

    /**
     * Finds more items like one, or like several together, which are left out themselves.
     *
     * @throws IllegalArgumentException There are no items, one does not exist, or a filter cannot be used.
     */
    fun similar(vararg items: Int, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer {
        require(items.isNotEmpty()) { "similar takes at least one item, found none." }
        val query = items.map { Query(embedding(it)) }.reduce { sum, part -> sum + part }
        val found = search(query, maxResults + items.size, where, allowed)
        val others = (found.neighbors + found.weaker).filter { it.item !in items }
        return Answer(others.take(maxResults), emptyList())
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
    fun search(vector: FloatArray, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer =
        engine.search(engine.asked(vector), engine.request(maxResults, where, allowed))

    /**
     * Counts the values of facts, the most frequent first.
     *
     * @param columns Columns, and parts of times such as `year(taken)`; null for all columns of texts and tags but `name`, and the years of times.
     * @param where Count only items that meet this filter.
     * @param allowed Count only these items: for what a query finds, those of [Answer.neighbors].
     * @throws IllegalArgumentException There is no such column, or a filter cannot be used.
     */
    fun facets(columns: Collection<String>? = null, where: String? = null, allowed: IntArray? = null): Map<String, List<Facet>> {
        val names = columns
            ?: facts.filter { (name, type) -> type != Facts.NUMBER && name != "name" }.map { (name, type) -> if (type == Facts.TIME) "year($name)" else name }
        val now = engine.overlay.state
        val among = now.present()
        engine.chosen(where, allowed, now)?.let { among.and(it) }
        return names.associateWith { engine.facts(now).counts(it, among) }
    }

    /** The embedding of a sentence. It throws the exceptions of [search]. */
    fun embed(text: String): FloatArray = engine.embed(engine.asked(text))

    /** The embedding of a picture. It throws the exceptions of [search]. */
    fun embed(bitmap: Bitmap): FloatArray = embed(BitmapPixels(bitmap))

    /** The embedding of an item that was not removed, as it is stored; a part of a [Query]. */
    fun embedding(item: Int): FloatArray {
        val now = existing(item)
        return if (item < manifest.items) engine.exact.embedding(item) else now.added.rows.decode(now.place(item))
    }

    /** The metadata of an item that was not removed. */
    fun item(number: Int): ByteArray = engine.metadata(number, existing(number))

    /** What is known about an item that was not removed, by column: a [Double], seconds since 1970 as a [Long], a text or a list of tags. */
    fun factsOf(item: Int): Map<String, Any> {
        val now = existing(item)
        return if (item < manifest.items) engine.facts(now).of(item) else now.added[now.place(item)].facts
    }

    /** Whether an item exists and was not removed. */
    fun has(item: Int): Boolean = engine.overlay.state.has(item)

    /**
     * The numbers of the items with this metadata, such as their file names, in the order of [names].
     *
     * ```
     * searcher.search("a red ball", allowed = searcher.find("beach/1.jpg", "beach/2.jpg"))
     * ```
     *
     * @throws IllegalArgumentException There is no such item, or several have the same metadata.
     */
    fun find(vararg names: String): IntArray {
        val now = engine.overlay.state
        val wanted = names.toSet()
        val found = engine.items.find(wanted) + now.places().map { now.added[it] }.associate { it.id to String(it.metadata, Charsets.UTF_8) }
        val items = found.filter { (item, name) -> name in wanted && now.has(item) }.entries.groupBy({ it.value }, { it.key })
        return IntArray(names.size) {
            val numbers = items[names[it]]
            require(numbers != null) { "there is no item \"${names[it]}\"; find takes the whole metadata of an item." }
            require(numbers.size == 1) { "several items are \"${names[it]}\": ${numbers.take(5).joinToString()}; name one by its number." }
            numbers[0]
        }
    }

    /**
     * Adds an upright picture of any size. Searches in all threads find it at once.
     *
     * @param metadata The metadata of the item, such as its file name.
     * @param facts What is known about it, by column: a [Number], a [java.util.Date], a text or several texts. A column that does not exist yet
     *   gets the type of its value; one of times also takes an ISO date or time as a text.
     * @param captions Texts whose words are indexed, for files with an index of words, beside those of metadata and facts. They are not kept.
     * @return The number of the item. Numbers continue after those of the file and are never used twice.
     * @throws IllegalArgumentException The file takes no pictures, or a fact has another type than its column.
     */
    fun add(bitmap: Bitmap, metadata: String, facts: Map<String, Any?> = emptyMap(), captions: List<String> = emptyList()): Int =
        add(BitmapPixels(bitmap), metadata, facts, captions)

    /**
     * Adds an item by its embedding: of [embed], of this file or of another with the same encoders. See the other [add].
     *
     * @throws IllegalArgumentException The embedding has another dimension or norm than those of the file, or a value that is not finite; or a
     *   fact has another type than its column.
     */
    fun add(vector: FloatArray, metadata: String, facts: Map<String, Any?> = emptyMap(), captions: List<String> = emptyList()): Int =
        engine.add(vector, metadata, facts, captions)

    /**
     * Hides an item of the file, or one that was added. Searches find the next nearest items instead.
     *
     * @throws IllegalArgumentException The item does not exist, or it was already removed.
     */
    fun remove(item: Int) = engine.remove(item)

    /**
     * Writes the added and removed items into a file. It is the same, byte for byte, as Python and the web page write, which can open it, too.
     * The file is replaced at once: whoever is interrupted leaves the old one.
     */
    fun saveOverlay(file: File) = engine.save(file)

    override fun close() = engine.close()

    /** Whether many added items are in cells; until then, all are scanned. */
    internal val hasCells get() = engine.overlay.run { cells?.made == Cells.madeOf(state.count) }

    /** Size of the file in bytes. */
    internal val bytes get() = file.size

    /** A part of the file, by its name in [Manifest.digests]. */
    internal fun part(name: String): ByteBuffer = if (name == "model") file.model else file.part(name)

    internal fun search(pixels: Pixels, maxResults: Int = manifest.k, where: String? = null, allowed: IntArray? = null): Answer =
        engine.search(engine.asked(pixels), engine.request(maxResults, where, allowed))

    internal fun embed(pixels: Pixels): FloatArray = engine.embed(engine.asked(pixels))

    internal fun add(pixels: Pixels, metadata: String, facts: Map<String, Any?> = emptyMap(), captions: List<String> = emptyList()): Int =
        engine.add(embed(pixels), metadata, facts, captions)

    /** The items that were not removed and their state, if [item] is among them. */
    private fun existing(item: Int): OverlayState {
        val now = engine.overlay.state
        require(now.has(item)) { "${file.name}: there is no item $item; numbers go from 0 to ${now.nextId - 1}, removed ones left out." }
        return now
    }

    private fun with(overlay: File?): Searcher {
        try {
            overlay?.let(engine::load)
        } catch (error: Exception) {
            close()
            throw error
        }
        return this
    }

    companion object {
        /**
         * Opens a file, which is memory-mapped.
         *
         * @param overlay A file that [saveOverlay], Python or the web page wrote for this searcher; null for none.
         * @param threads Number of threads for a query; one is fastest for small files.
         * @throws SearcherException The file is not a searcher, or it is damaged or newer than this library; or so is the overlay, or it belongs
         *   to another searcher.
         */
        fun open(file: File, overlay: File? = null, threads: Int = 1): Searcher = open(SearcherFile.map(file), threads).with(overlay)

        /** Opens an asset that is stored uncompressed: `androidResources { noCompress += "tflite" }`. */
        fun open(assets: AssetManager, name: String, overlay: File? = null, threads: Int = 1): Searcher =
            open(SearcherFile.map(assets, name), threads).with(overlay)

        private fun open(file: SearcherFile, threads: Int) = Searcher(file) { TfLiteModel(it, threads, file.name) }

        /** Opens a file with another runtime than that of the app. */
        fun open(file: File, overlay: File? = null, openModel: (ByteBuffer) -> Model): Searcher =
            Searcher(SearcherFile.map(file), openModel).with(overlay)

        /** Opens an asset with another runtime than that of the app. */
        fun open(assets: AssetManager, name: String, overlay: File? = null, openModel: (ByteBuffer) -> Model): Searcher =
            Searcher(SearcherFile.map(assets, name), openModel).with(overlay)
    }
}
