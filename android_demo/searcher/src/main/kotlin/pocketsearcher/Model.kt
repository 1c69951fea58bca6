package pocketsearcher

import org.tensorflow.lite.Interpreter
import java.io.Closeable
import java.nio.ByteBuffer

/** A model with signatures. It is not thread-safe. */
interface Model : Closeable {
    /** `search_text`, `search_image`, …. */
    val signatures: Set<String>

    /**
     * Runs a signature.
     *
     * @param query The only input, `query`: a direct buffer in native byte order, with exactly the size of the input.
     * @param outputs The buffers to fill, by name: direct, in native byte order, with exactly the sizes of the outputs.
     */
    fun run(signature: String, query: ByteBuffer, outputs: Map<String, ByteBuffer>)
}

/** A model run by TensorFlow Lite. */
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
