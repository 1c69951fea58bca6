package pocketsearcher

import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32

/**
 * Writes an uncompressed ZIP archive, the same bytes as Python's (task/format/archive.py): with one date and without extra fields.
 *
 * [java.util.zip.ZipOutputStream] writes the time of the machine and other versions. Field offsets are those of PKWARE's APPNOTE, sections
 * 4.3.7, 4.3.12 and 4.3.16.
 */
internal class StoredZip(private val target: OutputStream) {
    private class Entry(val name: ByteArray, val size: Int, val crc: Int, val header: Int)

    private val entries = ArrayList<Entry>()
    private var at = 0L

    fun add(name: String, content: ByteArray) {
        val crc = CRC32().apply { update(content) }.value.toInt()
        val entry = Entry(name.toByteArray(), content.size, crc, place())
        entries += entry
        write(LOCAL_SIZE) {
            putInt(LOCAL_SIGNATURE)
            described(entry)
        }
        write(entry.name)
        write(content)
        place()
    }

    /** Writes the directory; nothing can be added after it. */
    fun finish() {
        val start = place()
        for (entry in entries) {
            write(DIRECTORY_SIZE) {
                putInt(DIRECTORY_SIGNATURE)
                putShort(MADE_BY_UNIX)
                described(entry)
                repeat(4) { putShort(0) } // no extra field, no comment, the first disk, no attributes
                putInt(READABLE)
                putInt(entry.header)
            }
            write(entry.name)
        }
        val size = place() - start
        write(END_SIZE) {
            putInt(END_SIGNATURE)
            putInt(0)
            putShort(entries.size.toShort())
            putShort(entries.size.toShort())
            putInt(size)
            putInt(start)
        }
    }

    /** The fields that both headers of an entry have, from the version on that a reader needs. */
    private fun ByteBuffer.described(entry: Entry) {
        putShort(VERSION)
        putShort(0)
        putShort(0) // stored
        putShort(0)
        putShort(FIRST_DAY)
        putInt(entry.crc)
        putInt(entry.size)
        putInt(entry.size)
        putShort(entry.name.size.toShort())
    }

    private fun write(size: Int, fill: ByteBuffer.() -> Unit) =
        write(ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN).apply(fill).array())

    private fun write(bytes: ByteArray) {
        target.write(bytes)
        at += bytes.size
    }

    private fun place(): Int {
        require(at <= Int.MAX_VALUE) { "the added items take more than 2 GiB; fold them in with maker index --update." }
        return at.toInt()
    }

    private companion object {
        const val LOCAL_SIGNATURE = 0x04034b50
        const val LOCAL_SIZE = 30
        const val DIRECTORY_SIGNATURE = 0x02014b50
        const val DIRECTORY_SIZE = 46
        const val END_SIGNATURE = 0x06054b50
        const val END_SIZE = 22
        const val VERSION: Short = 20
        const val MADE_BY_UNIX: Short = 0x314
        const val FIRST_DAY: Short = 0x21 // 1980-01-01
        const val READABLE = 0x01a4_0000 // its owner may write it, all may read it
    }
}
