package pocketsearcher

import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A view of [size] bytes from [offset], little-endian, without a copy. The view of a direct buffer is direct. */
internal fun ByteBuffer.part(offset: Int, size: Int): ByteBuffer {
    val whole = duplicate()
    // Typed as Buffer: newer versions of java.nio have a ByteBuffer.limit() that Android 7 lacks.
    val cursor: Buffer = whole
    cursor.position(offset).limit(offset + size)
    return whole.slice().order(ByteOrder.LITTLE_ENDIAN)
}

/** Moves back to the first byte, to read or write the whole buffer. */
internal fun ByteBuffer.fromStart(): ByteBuffer = apply { (this as Buffer).clear() }

/** A copy of the bytes from [offset]. */
internal fun ByteBuffer.bytes(
    offset: Int = 0,
    size: Int = capacity() - offset,
): ByteArray = ByteArray(size).also { part(offset, size).get(it) }

/** A buffer that an interpreter reads and writes without a copy. */
internal fun nativeBuffer(size: Int): ByteBuffer = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
