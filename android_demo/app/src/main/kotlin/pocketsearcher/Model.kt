package pocketsearcher

import org.tensorflow.lite.Interpreter
import java.io.Closeable
import java.nio.ByteBuffer

/** A model with signatures; one call at a time. */
interface Model : Closeable {
    /** `search_text`, `search_image`, …. */
    val signatures: Set<String>

    /**
     * Runs a signature.
     *
     * @param query Of its one input, `query`: direct, of the machine's byte order, exactly of the input's size.
     * @param outputs Filled by name; direct, of the machine's byte order, exactly of the outputs' sizes.
     */
    fun run(signature: String, query: ByteBuffer, outputs: Map<String, ByteBuffer>)
}

/** TensorFlow Lite's own interpreter. */
internal class TfLiteModel(content: ByteBuffer, threads: Int, file: String) : Model {
    private val interpreter =
        try {
            Interpreter(content, Interpreter.Options().setNumThreads(threads))
        } catch (error: IllegalArgumentException) {
            throw SearcherException(
                "$file: TensorFlow Lite does not take the model (${error.message}); copy it again, or build it again.",
                error,
            )
        }

    override val signatures = interpreter.signatureKeys.toSet()

    override fun run(signature: String, query: ByteBuffer, outputs: Map<String, ByteBuffer>) {
        outputs.values.forEach { it.fromStart() }
        interpreter.runSignature(mapOf("query" to query.fromStart()), outputs, signature)
    }

    override fun close() = interpreter.close()
}
