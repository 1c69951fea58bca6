package pocketsearcher

import java.io.Closeable
import java.nio.ByteBuffer

/** Runs the signatures of a searcher, one call at a time. */
internal class GraphRunner(private val model: Model, private val manifest: Manifest, private val file: String) : Closeable {
    private val outputs = mapOf("distances" to nativeBuffer(FLOAT * manifest.k), "ids" to nativeBuffer(INT * manifest.k))
    private val evidence = nativeBuffer(FLOAT * EVIDENCE_VALUES)
    private val embedding = mapOf("embedding" to nativeBuffer(FLOAT * manifest.dimension))

    val signatures get() = model.signatures

    /** What a search found, and what the graph says of the query; null if it was not asked for. */
    class Result(val found: Nearest, val evidence: FloatArray?)

    /** @throws IllegalArgumentException The file has no such signature. */
    fun require(signature: String) = require(signature in signatures) {
        val tokens = if (TOKENS in signatures) " Its tokenizer lies beside the graph, which only Python reads." else ""
        "$file: there is no $signature, it has ${signatures.sorted().joinToString()}.$tokens"
    }

    /** At most [count] items, and no more than the k of the file. */
    fun search(signature: String, query: ByteBuffer, count: Int, withEvidence: Boolean): Result {
        require(signature)
        val ids = IntArray(minOf(count, manifest.k))
        val distances = FloatArray(ids.size)
        val said = if (withEvidence) FloatArray(EVIDENCE_VALUES) else null
        synchronized(model) {
            model.run(signature, query, if (said == null) outputs else outputs + (EVIDENCE to evidence))
            outputs.getValue("ids").fromStart().asIntBuffer().get(ids)
            outputs.getValue("distances").fromStart().asFloatBuffer().get(distances)
            said?.let { evidence.fromStart().asFloatBuffer().get(it) }
        }
        val real = ids.count { it >= 0 }
        return Result(Nearest(ids.copyOf(real), distances.copyOf(real)), said)
    }

    fun embed(signature: String, query: ByteBuffer): FloatArray {
        require(signature)
        return synchronized(model) {
            model.run(signature, query, embedding)
            FloatArray(manifest.dimension).also { embedding.getValue("embedding").fromStart().asFloatBuffer().get(it) }
        }
    }

    override fun close() = synchronized(model) { model.close() }

    private companion object {
        const val FLOAT = 4
        const val INT = 4
        const val TOKENS = "search_tokens"
        const val EVIDENCE = "evidence"
        const val EVIDENCE_VALUES = 2
    }
}
