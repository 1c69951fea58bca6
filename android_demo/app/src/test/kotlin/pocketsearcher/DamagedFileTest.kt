package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.io.File
import java.io.FileNotFoundException
import java.io.RandomAccessFile

@RunWith(RobolectricTestRunner::class)
class DamagedFileTest {
    @get:Rule val temporary = TemporaryFolder()

    @Test
    fun `a file that is no model is told`() {
        val file = temporary.newFile("photo.tflite").apply { writeText("no model at all") }
        assertTrue(message(file).endsWith("photo.tflite: is no TFLite model (bytes 4 to 8 are not TFL3); copy the searcher again."))
        assertTrue(message(temporary.newFile("empty.tflite")).contains("is no TFLite model"))
    }

    @Test
    fun `a file that was cut off is told`() = changed { it.setLength(it.length() - 100) }.let { file ->
        assertTrue(message(file), message(file).contains("has no searcher.json"))
    }

    @Test
    fun `a directory that points nowhere is told`() = changed { file ->
        file.seek(file.length() - 6) // where the directory starts, in the archive's last record
        file.writeInt(-1)
    }.let { assertTrue(message(it), message(it).contains("the directory of the file's parts is damaged")) }

    @Test
    fun `a manifest that was overwritten is told`() = changed { file ->
        val text = ByteArray(file.length().toInt()).also {
            file.seek(0)
            file.readFully(it)
        }.toString(Charsets.ISO_8859_1)
        file.seek(text.indexOf("\"format_version\"").toLong())
        file.writeByte('{'.code)
    }.let { assertTrue(message(it), message(it).contains("searcher.json cannot be read")) }

    @Test
    fun `a newer format is told from a damaged one`() =
        assertTrue(message(Fixtures.newer).endsWith("is newer than this app (format version 2, known are up to 1); update the app."))

    @Test
    fun `damaged facts and words are told when they are asked for, and only then`() {
        val content = Fixtures.asked.readBytes().toString(Charsets.ISO_8859_1)
        for ((from, to, damaged) in listOf(
            Triple("{\"items\": 96, \"columns", "{\"items\": 97, \"columns", "the facts are damaged"),
            Triple("\"columns\"", "\"colunms\"", "the facts are damaged"),
            Triple("96, \"type\": \"<u1\"}, \"blocks\"", "95, \"type\": \"<u1\"}, \"blocks\"", "the index of words is damaged"),
            Triple("\"postings\"", "\"postinks\"", "the index of words is damaged"),
        )) {
            assertTrue(from, from in content)
            val file = temporary.newFile().apply { writeBytes(content.replace(from, to).toByteArray(Charsets.ISO_8859_1)) }
            Fixtures.open(file).use { searcher ->
                assertEquals(10, searcher.search("a red ball", maxResults = 10).neighbors.size)
                val message = assertThrows(SearcherException::class.java) {
                    searcher.search("a red ball", where = "stars == 3", lexical = Lexical.AUTO)
                    searcher.search("a red ball", lexical = Lexical.AUTO)
                }.message.orEmpty()
                assertTrue(message, damaged in message && message.endsWith("copy the file again, or build it again.") && '\n' !in message)
            }
        }
    }

    @Test
    fun `a flipped bit of the model is found by the check`() {
        val file = changed { file ->
            file.seek(file.length() / 4)
            val byte = file.read()
            file.seek(file.length() / 4)
            file.write(byte xor 1)
        }
        Fixtures.open(file).use { assertEquals("model", it.check().first().substringBefore(":")) }
    }

    @Test
    fun `a compressed asset is told from a missing one`() {
        val assets = RuntimeEnvironment.getApplication().assets
        val compressed = assertThrows(SearcherException::class.java) { Searcher.open(assets, "compressed.bin") }
        assertTrue(compressed.message, compressed.message!!.startsWith("compressed.bin: is compressed"))
        assertThrows(FileNotFoundException::class.java) { Searcher.open(assets, "missing.tflite") }
    }

    private fun changed(change: (RandomAccessFile) -> Unit): File {
        val file = Fixtures.sample.copyTo(File(temporary.root, "changed.tflite"))
        RandomAccessFile(file, "rw").use(change)
        return file
    }

    private fun message(file: File): String =
        assertThrows(SearcherException::class.java) {
            Fixtures.open(file).close()
        }.message.orEmpty().also { assertEquals(1, it.lines().size) }
}
