package pocketsearcher.demo

import android.content.ContentUris
import android.graphics.Bitmap
import android.net.Uri
import android.provider.MediaStore
import pocketsearcher.Answer
import pocketsearcher.Lexical
import pocketsearcher.Neighbor
import pocketsearcher.Query
import pocketsearcher.Searcher
import pocketsearcher.SearcherException
import pocketsearcher.benchmark
import pocketsearcher.check
import java.io.File

/**
 * Searches with a searcher graph.
 *
 * @param runtime Name and version of the runtime.
 * @param overlay The file with the photos of the phone, if they were indexed.
 * @param open Opens the searcher with an overlay; [report] calls it again to measure.
 */
class GraphSearch(
    private val runtime: Pair<String, String>,
    private val overlay: File,
    private val open: (File?) -> Searcher,
) : PhotoSearch,
    PhotoIndex {
    override var refused: String? = null
        private set
    private val searcher = open()

    // The photos of the phone are embedded by a model of their own, so that queries do not wait for it.
    private val embedder = lazy { open(null) }

    override val items get() = searcher.size
    override val takesPictures get() = "embed_image" in searcher.signatures
    override val index get() = takeIf { takesPictures }

    private fun open(): Searcher {
        if (!overlay.exists()) return open(null)
        return try {
            open(overlay)
        } catch (error: SearcherException) {
            // The app has a new searcher, or the file is damaged: the photos are on the phone, and are indexed again.
            open(null).also {
                refused = error.message
                overlay.delete()
            }
        }
    }

    /** The most frequent values of each column; columns in which most values are those of one photo are left out. */
    override val filters: List<Filter> get() {
        return searcher.facets((searcher.facts - URI).offered()).filterValues { values -> values.size > 1 && values.sumOf { it.items } >= SHARED * values.size }
            .flatMap { (column, values) -> values.take(OFFERED).map { Filter(column, it.value, it.items, it.where) } }
    }

    /** All columns of texts and tags, and the years of times. */
    private fun Map<String, String>.offered() = filterValues { it != "number" }.map { (name, type) -> if (type == "time") "year($name)" else name }

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
        return checked + "\n\n" + benchmark(DemoApplication.ASSET, name, version) { open(null) }.toString(2)
    }

    override fun photos(): List<IndexedPhoto> = (searcher.manifest.items until searcher.items).mapNotNull { item ->
        val facts = factsOf(item)
        val uri = facts?.let(::uri) ?: return@mapNotNull null
        IndexedPhoto(item, (facts[ID] as Double?)?.toLong(), uri, (facts[MODIFIED] as Double).toLong(), (facts[BYTES] as Double).toLong())
    }

    private fun factsOf(item: Int) = if (searcher.has(item)) searcher.factsOf(item) else null

    override fun embed(bitmap: Bitmap): FloatArray = embedder.value.embed(bitmap)

    override fun add(vector: FloatArray, photo: GalleryPhoto) {
        val known = mapOf("name" to photo.name, "folder" to photo.folder, "taken" to photo.taken)
        // A column of this name in the searcher may have another type; the photo is found without it.
        val facts = known.filterKeys { searcher.facts[it] == (if (it == "taken") "time" else "text") || it !in searcher.facts }
        val uri = if (photo.id == null) photo.uri.toString() else null
        val own = mapOf(ID to photo.id, URI to uri, MODIFIED to photo.modified, BYTES to photo.bytes)
        searcher.add(vector, photo.path, facts + own)
    }

    override fun remove(photo: IndexedPhoto) = searcher.remove(photo.item)

    override fun save() = searcher.saveOverlay(overlay)

    override fun close() {
        searcher.close()
        if (embedder.isInitialized()) embedder.value.close()
    }

    private fun found(answer: Answer) = Found(answer.neighbors.map(::photo), answer.weaker.map(::photo))

    private fun photo(neighbor: Neighbor) =
        Photo(neighbor.text, neighbor.distance, neighbor.relevance, neighbor.item, factsOf(neighbor.item)?.let(::uri))

    /** Where a photo is on the phone; null for those of the searcher. */
    private fun uri(facts: Map<String, Any>): Uri? {
        val id = facts[ID] as? Double ?: return (facts[URI] as? String)?.let(Uri::parse)
        return ContentUris.withAppendedId(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, id.toLong())
    }

    private companion object {
        const val OFFERED = 8
        const val SHARED = 2 // photos that have a value of a column, on average

        // Facts of the photos of the phone.
        const val ID = "gallery_id"
        const val URI = "gallery_uri"
        const val MODIFIED = "gallery_modified"
        const val BYTES = "gallery_bytes"
    }
}
