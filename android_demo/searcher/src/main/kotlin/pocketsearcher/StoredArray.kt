package pocketsearcher

import org.json.JSONObject
import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The numbers of an array in an associated file, read in place: as the JSON beside it describes them, see docs/format.md. */
internal class StoredArray private constructor(private val content: ByteBuffer, val size: Int, private val type: String) {
    fun double(i: Int): Double = when (type) {
        "<f4" -> content.getFloat(4 * i).toDouble()
        "<f8" -> content.getDouble(8 * i)
        else -> long(i).toDouble()
    }

    fun int(i: Int): Int = long(i).toInt()

    fun long(i: Int): Long = when (type) {
        "<u1" -> content[i].toLong() and 0xff
        "<i1" -> content[i].toLong()
        "<u2" -> content.getShort(2 * i).toLong() and 0xffff
        "<i2" -> content.getShort(2 * i).toLong()
        "<u4" -> content.getInt(4 * i).toLong() and 0xffffffffL
        "<i4" -> content.getInt(4 * i).toLong()
        "<i8" -> content.getLong(8 * i)
        else -> double(i).toLong()
    }

    fun bytes(): ByteArray = content.bytes()

    /** Whether these beginnings of parts do not descend, from 0 to [end]. */
    fun ascendsTo(end: Int): Boolean =
        size > 0 && long(0) == 0L && long(size - 1) == end.toLong() && (1 until size).all { long(it) >= long(it - 1) }

    /** Whether all numbers are from 0 to below [end]. */
    fun staysBelow(end: Int): Boolean = (0 until size).all { long(it) in 0L until end.toLong() }

    companion object {
        private val WIDTHS = mapOf("1" to 1, "2" to 2, "4" to 4, "8" to 8)
        private val TYPES = setOf("<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<f4", "<f8")

        /**
         * The array at a place.
         *
         * @param data The associated file.
         * @param described Where the array is: `offset` in bytes, `length` in values, `type`.
         * @param size The number of values that it has to have; null for any.
         * @throws IllegalArgumentException It is not there, or it has another number of values.
         */
        fun at(data: ByteBuffer, described: JSONObject, size: Int? = null): StoredArray {
            val (offset, length, type) = Triple(described.getLong("offset"), described.getLong("length"), described.getString("type"))
            require(type in TYPES && offset >= 0 && length >= 0) { "an array of $length $type at $offset" }
            val bytes = length * WIDTHS.getValue(type.takeLast(1))
            require(length <= Int.MAX_VALUE && bytes <= data.capacity() - offset) { "an array is not within its file" }
            require(size == null || length == size.toLong()) { "an array has $length values, expected $size" }
            return StoredArray(data.part(offset.toInt(), bytes.toInt()), length.toInt(), type)
        }
    }
}

/** Writes arrays one after the other for an associated file, each at a multiple of 8 bytes. */
internal class ArraysWriter {
    private val bytes = ByteArrayOutputStream()

    /** All arrays. */
    val content: ByteArray get() = bytes.toByteArray()

    /** Appends [size] numbers of a type such as `<u4`, and returns where they are, as JSON. */
    fun put(size: Int, type: String, number: (Int) -> Number): String {
        while (bytes.size() % ALIGNMENT != 0) bytes.write(0)
        val place = """{"offset": ${bytes.size()}, "length": $size, "type": "$type"}"""
        val one = ByteBuffer.allocate(ALIGNMENT).order(ByteOrder.LITTLE_ENDIAN)
        val width = type.last() - '0'
        for (i in 0 until size) {
            if (type == "<f4") {
                one.putFloat(0, number(i).toFloat())
            } else if (type == "<f8") {
                one.putDouble(0, number(i).toDouble())
            } else {
                one.putLong(0, number(i).toLong())
            }
            bytes.write(one.array(), 0, width)
        }
        return place
    }

    /** Appends bytes. */
    fun put(array: ByteArray): String = put(array.size, "<u1") { array[it] }

    private companion object {
        const val ALIGNMENT = 8
    }
}
