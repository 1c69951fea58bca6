package pocketsearcher

import com.sun.jna.Memory
import com.sun.jna.Native
import com.sun.jna.Pointer
import com.sun.jna.ptr.PointerByReference
import java.nio.ByteBuffer

private const val CPU = 1
private const val READ = 0
private const val WRITE = 1
private const val TENSOR_TYPE_BYTES = 128L // more than LiteRtRankedTensorType has

/**
 * LiteRT itself, from the library inside the Python wheel: what the app's interpreter is on a device, on this machine.
 *
 * The library's current C interface runs compiled models; it has no counterpart of the app's `Interpreter`.
 */
internal class LiteRtModel(private val content: ByteBuffer, library: String) : Model {
    private val litert = Native.load(library, LiteRt::class.java)
    private val environment = created { litert.LiteRtCreateEnvironment(0, null, it) }
    private val model = created {
        litert.LiteRtCreateModelFromBuffer(environment, Native.getDirectBufferPointer(content), content.capacity().toLong(), it)
    }
    private val options = created { litert.LiteRtCreateOptions(it) }
    private val compiled: Pointer
    private val runners: Map<String, Runner>

    init {
        check("accelerators", litert.LiteRtSetOptionsHardwareAccelerators(options, CPU))
        compiled = created { litert.LiteRtCreateCompiledModel(environment, model, options, it) }
        val count = number { litert.LiteRtGetNumModelSignatures(model, it) }
        runners = (0 until count).map(::Runner).associateBy { it.name }
    }

    override val signatures = runners.keys

    override fun run(signature: String, query: ByteBuffer, outputs: Map<String, ByteBuffer>) = runners.getValue(
        signature,
    ).run(query, outputs)

    override fun close() {
        runners.values.forEach { it.close() }
        litert.LiteRtDestroyCompiledModel(compiled)
        litert.LiteRtDestroyOptions(options)
        litert.LiteRtDestroyModel(model)
        litert.LiteRtDestroyEnvironment(environment)
    }

    /** A signature with the buffers of its tensors. */
    private inner class Runner(private val index: Long) {
        private val signature = created { litert.LiteRtGetModelSignature(model, index, it) }
        val name = created { litert.LiteRtGetSignatureKey(signature, it) }.getString(0)
        private val input = buffer(
            created { litert.LiteRtGetSignatureInputTensorByIndex(signature, 0, it) },
            created { litert.LiteRtGetCompiledModelInputBufferRequirements(compiled, index, 0, it) },
        )
        private val outputs = (0 until number { litert.LiteRtGetNumSignatureOutputs(signature, it) }).map { output ->
            created { litert.LiteRtGetSignatureOutputName(signature, output, it) }.getString(0) to buffer(
                created { litert.LiteRtGetSignatureOutputTensorByIndex(signature, output, it) },
                created { litert.LiteRtGetCompiledModelOutputBufferRequirements(compiled, index, output, it) },
            )
        }

        fun run(query: ByteBuffer, results: Map<String, ByteBuffer>) {
            locked(input, WRITE) { memory, size ->
                require(query.capacity().toLong() == size) { "$name takes $size bytes, the query has ${query.capacity()}" }
                memory.write(0, query.bytes(), 0, query.capacity())
            }
            check(
                "run",
                litert.LiteRtRunCompiledModel(
                    compiled,
                    index,
                    1,
                    array(listOf(input)),
                    outputs.size.toLong(),
                    array(
                        outputs.map {
                            it.second
                        },
                    ),
                ),
            )
            require(
                results.keys == outputs.map {
                    it.first
                }.toSet(),
            ) { "$name gives ${outputs.map { it.first }}, asked for ${results.keys}" }
            for ((output, buffer) in outputs) {
                locked(buffer, READ) { memory, size ->
                    results.getValue(output).fromStart().put(memory.getByteArray(0, size.toInt()))
                }
            }
        }

        fun close() = (outputs.map { it.second } + input).forEach(litert::LiteRtDestroyTensorBuffer)

        private fun buffer(tensor: Pointer, requirements: Pointer): Pointer {
            val type = Memory(TENSOR_TYPE_BYTES)
            check("tensor type", litert.LiteRtGetRankedTensorType(tensor, type))
            return created { litert.LiteRtCreateManagedTensorBufferFromRequirements(environment, type, requirements, it) }
        }

        private fun locked(buffer: Pointer, mode: Int, use: (Pointer, Long) -> Unit) {
            val size = number { litert.LiteRtGetTensorBufferPackedSize(buffer, it) }
            val memory = created { litert.LiteRtLockTensorBuffer(buffer, it, mode) }
            use(memory, size)
            check("unlock", litert.LiteRtUnlockTensorBuffer(buffer))
        }
    }

    private fun created(make: (PointerByReference) -> Int): Pointer {
        val reference = PointerByReference()
        check("LiteRT", make(reference))
        return reference.value
    }

    private fun number(read: (Memory) -> Int): Long {
        val memory = Memory(Long.SIZE_BYTES.toLong())
        check("LiteRT", read(memory))
        return memory.getLong(0)
    }

    private fun array(pointers: List<Pointer>) =
        Memory(Native.POINTER_SIZE.toLong() * pointers.size).apply { write(0, pointers.toTypedArray(), 0, pointers.size) }

    private fun check(what: String, status: Int) = check(status == 0) { "$what: LiteRT says status $status" }
}
