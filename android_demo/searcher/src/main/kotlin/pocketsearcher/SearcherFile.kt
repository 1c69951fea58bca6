package pocketsearcher

import android.content.res.AssetFileDescriptor
import android.content.res.AssetManager
import java.io.File
import java.io.FileInputStream
import java.io.FileNotFoundException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

/** A file with named parts. */
internal interface Parts {
    /** Name of the file in messages. */
    val name: String

    /** What to do if it is damaged, for messages. */
    val advice: String

    /** Whether the file has a part with this name. */
    operator fun contains(entry: String): Boolean

    /** The content of a part. */
    fun part(entry: String): ByteBuffer
}

/**
 * A searcher file in memory. It is usually mapped, so that only the parts that are read take memory.
 */
internal class SearcherFile(content: ByteBuffer, override val name: String) : Parts {
    override val advice get() = "copy the file again, or build it again."
    private val content = content.part(0, content.capacity())
    private val entries = ZipTail.locate(this.content, name)

    /** Size in bytes. */
    val size get() = content.capacity()

    /** The FlatBuffer: everything before the first associated file. */
    val model: ByteBuffer

    init {
        if (size < HEADER || this.content.getInt(IDENTIFIER_AT) != IDENTIFIER) {
            throw SearcherException("$name: is no TFLite model (bytes 4 to 8 are not TFL3); copy the searcher again.")
        }
        model = this.content.part(0, entries.values.minOfOrNull { it.header } ?: size).order(ByteOrder.nativeOrder())
    }

    override operator fun contains(entry: String) = entry in entries

    override fun part(entry: String): ByteBuffer {
        val place = entries[entry] ?: throw SearcherException(
            "$name: has no $entry: it is no searcher of maker build, or it was cut short; copy it again, or build it again.",
        )
        return content.part(place.offset, place.size)
    }

    companion object {
        private const val HEADER = 8
        private const val IDENTIFIER_AT = 4
        private const val IDENTIFIER = 0x334c4654 // "TFL3", little-endian

        fun map(file: File): SearcherFile =
            RandomAccessFile(file, "r").use { SearcherFile(map(it.channel, 0, it.length(), file.path), file.path) }

        /** Maps an asset. */
        fun map(assets: AssetManager, name: String): SearcherFile =
            openStored(assets, name).use { asset ->
                FileInputStream(asset.fileDescriptor).use { SearcherFile(map(it.channel, asset.startOffset, asset.length, name), name) }
            }

        private fun openStored(assets: AssetManager, name: String): AssetFileDescriptor =
            try {
                assets.openFd(name)
            } catch (error: FileNotFoundException) {
                assets.open(name).close() // throws the same exception if the asset does not exist
                throw SearcherException(
                    """$name: is compressed, expected it as it is; add noCompress += "tflite" to build.gradle.kts.""",
                    error,
                )
            }

        private fun map(channel: FileChannel, offset: Long, size: Long, name: String): ByteBuffer {
            if (size > Int.MAX_VALUE) throw SearcherException("$name: has $size bytes, expected less than 2 GiB; index fewer items.")
            return channel.map(FileChannel.MapMode.READ_ONLY, offset, size)
        }
    }
}
