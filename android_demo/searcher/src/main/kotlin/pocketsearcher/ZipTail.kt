package pocketsearcher

import java.nio.ByteBuffer

/**
 * Locates the associated files of a `.tflite`: an uncompressed ZIP archive after the model, as in TFLite Metadata.
 *
 * [java.util.zip.ZipFile] needs a separate file and does not give the offsets of entries.
 */
internal object ZipTail {
    /** Bytes [offset] to `offset + size` of the file and their CRC-32; [header] is the offset of the header of the entry. */
    class Entry(val offset: Int, val size: Int, val header: Int, val crc: Int)

    private const val END_SIGNATURE = 0x06054b50
    private const val END_SIZE = 22
    private const val LONGEST_COMMENT = 0xffff
    private const val DIRECTORY_SIGNATURE = 0x02014b50
    private const val DIRECTORY_SIZE = 46
    private const val LOCAL_SIGNATURE = 0x04034b50
    private const val LOCAL_SIZE = 30

    /**
     * Finds the entries by name; empty if there is no archive.
     *
     * Field offsets are those of PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16.
     *
     * @throws SearcherException An entry is compressed, or it is not within the file.
     */
    fun locate(content: ByteBuffer, file: String): Map<String, Entry> {
        val end = findEnd(content) ?: return emptyMap()
        return try {
            readDirectory(content, end, file)
        } catch (error: IndexOutOfBoundsException) {
            throw damaged(file, error)
        } catch (error: IllegalArgumentException) {
            throw damaged(file, error)
        }
    }

    private fun damaged(file: String, error: Exception) =
        SearcherException("$file: the directory of the file's parts is damaged; copy the file again, or build it again.", error)

    private fun findEnd(content: ByteBuffer): Int? {
        val last = content.capacity() - END_SIZE
        return (last downTo maxOf(0, last - LONGEST_COMMENT)).firstOrNull { content.getInt(it) == END_SIGNATURE }
    }

    private fun readDirectory(content: ByteBuffer, end: Int, file: String): Map<String, Entry> {
        val found = LinkedHashMap<String, Entry>()
        var at = content.getInt(end + 16)
        repeat(content.unsignedShort(end + 10)) {
            require(content.getInt(at) == DIRECTORY_SIGNATURE) { "no directory entry at $at" }
            val nameSize = content.unsignedShort(at + 28)
            val name = String(content.bytes(at + DIRECTORY_SIZE, nameSize), Charsets.UTF_8)
            if (content.getShort(at + 10).toInt() != 0) {
                throw SearcherException("$file: the part $name is compressed, expected an uncompressed archive; build the file again.")
            }
            val header = content.getInt(at + 42)
            require(content.getInt(header) == LOCAL_SIGNATURE) { "no header of $name at $header" }
            val offset = header + LOCAL_SIZE + content.unsignedShort(header + 26) + content.unsignedShort(header + 28)
            val size = content.getInt(at + 24)
            require(size >= 0 && offset <= content.capacity() - size) { "$name reaches beyond the file" }
            found[name] = Entry(offset, size, header, content.getInt(at + 16))
            at += DIRECTORY_SIZE + nameSize + content.unsignedShort(at + 30) + content.unsignedShort(at + 32)
        }
        return found
    }

    private fun ByteBuffer.unsignedShort(at: Int): Int = getShort(at).toInt() and 0xffff
}
