package pocketsearcher

import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A view of [size] bytes from [offset], little-endian; nothing is copied, and a direct buffer gives a direct one. */
internal fun ByteBuffer.part(offset: Int, size: Int): ByteBuffer {
    val whole = duplicate()
    // As a Buffer: compiled against a newer java.nio, ByteBuffer's own limit() is a method that Android 7 does not have.
    val cursor: Buffer = whole
    cursor.position(offset).limit(offset + size)
    return whole.slice().order(ByteOrder.LITTLE_ENDIAN)
}

/** Back to the first byte, for reading or writing all of it. */
internal fun ByteBuffer.fromStart(): ByteBuffer = apply { (this as Buffer).clear() }

/** A copy of the bytes from [offset]. */
internal fun ByteBuffer.bytes(
    offset: Int = 0,
    size: Int = capacity() - offset,
): ByteArray = ByteArray(size).also { part(offset, size).get(it) }

/** Memory that an interpreter reads and writes without copying. */
internal fun nativeBuffer(size: Int): ByteBuffer = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
