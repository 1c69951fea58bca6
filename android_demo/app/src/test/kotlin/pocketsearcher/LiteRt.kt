package pocketsearcher

import com.sun.jna.Library
import com.sun.jna.Memory
import com.sun.jna.Pointer
import com.sun.jna.ptr.PointerByReference

/** The functions of LiteRT's C library that run a model; each gives a LiteRtStatus, 0 for success. */
@Suppress("FunctionName", "ktlint")
internal interface LiteRt : Library {
    fun LiteRtCreateEnvironment(options: Int, values: Pointer?, environment: PointerByReference): Int
    fun LiteRtCreateModelFromBuffer(environment: Pointer, content: Pointer, size: Long, model: PointerByReference): Int
    fun LiteRtCreateOptions(options: PointerByReference): Int
    fun LiteRtSetOptionsHardwareAccelerators(options: Pointer, accelerators: Int): Int
    fun LiteRtCreateCompiledModel(environment: Pointer, model: Pointer, options: Pointer, compiled: PointerByReference): Int
    fun LiteRtGetNumModelSignatures(model: Pointer, count: Memory): Int
    fun LiteRtGetModelSignature(model: Pointer, signature: Long, found: PointerByReference): Int
    fun LiteRtGetSignatureKey(signature: Pointer, key: PointerByReference): Int
    fun LiteRtGetNumSignatureOutputs(signature: Pointer, count: Memory): Int
    fun LiteRtGetSignatureOutputName(signature: Pointer, output: Long, name: PointerByReference): Int
    fun LiteRtGetSignatureInputTensorByIndex(signature: Pointer, input: Long, tensor: PointerByReference): Int
    fun LiteRtGetSignatureOutputTensorByIndex(signature: Pointer, output: Long, tensor: PointerByReference): Int
    fun LiteRtGetRankedTensorType(tensor: Pointer, type: Memory): Int
    fun LiteRtGetCompiledModelInputBufferRequirements(compiled: Pointer, signature: Long, input: Long, found: PointerByReference): Int
    fun LiteRtGetCompiledModelOutputBufferRequirements(compiled: Pointer, signature: Long, output: Long, found: PointerByReference): Int
    fun LiteRtCreateManagedTensorBufferFromRequirements(environment: Pointer, type: Memory, needs: Pointer, buffer: PointerByReference): Int
    fun LiteRtGetTensorBufferPackedSize(buffer: Pointer, size: Memory): Int
    fun LiteRtLockTensorBuffer(buffer: Pointer, address: PointerByReference, mode: Int): Int
    fun LiteRtUnlockTensorBuffer(buffer: Pointer): Int
    fun LiteRtRunCompiledModel(compiled: Pointer, signature: Long, inputs: Long, input: Memory, outputs: Long, output: Memory): Int
    fun LiteRtDestroyTensorBuffer(buffer: Pointer)
    fun LiteRtDestroyCompiledModel(compiled: Pointer)
    fun LiteRtDestroyOptions(options: Pointer)
    fun LiteRtDestroyModel(model: Pointer)
    fun LiteRtDestroyEnvironment(environment: Pointer)
}
