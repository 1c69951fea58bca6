package pocketsearcher

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.util.Date
import java.util.concurrent.CountDownLatch
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.concurrent.thread
import kotlin.math.sqrt
import kotlin.random.Random

/** Items that are added to an open searcher and removed from it. */
class OverlayTest {
    @get:Rule val temporary = TemporaryFolder()

    private val random = Random(1)

    @Test
    fun `an added item is found, and a removed one is not`() = ask(Fixtures.asked) { searcher ->
        val vector = unit(searcher)
        val before = searcher.search(vector, maxResults = 3).neighbors.map { it.item }
        val item = searcher.add(vector, "new.jpg", mapOf("album" to "Norway", "stars" to 5, "tags" to listOf("sea", "new")), listOf("a lighthouse"))
        assertEquals(searcher.manifest.items, item)
        assertEquals(listOf(item) + before.take(2), searcher.search(vector, maxResults = 3).neighbors.map { it.item })
        assertEquals("new.jpg", searcher.search(vector).neighbors.first().text)
        assertEquals(-1f, searcher.search(vector).neighbors.first().distance, 1e-2f)
        searcher.remove(before[0])
        searcher.remove(item)
        assertEquals(before.drop(1), searcher.search(vector, maxResults = 3).neighbors.map { it.item }.take(2))
        assertFalse(searcher.has(item) || searcher.has(before[0]))
        assertEquals(item + 1, searcher.add(vector, "newer.jpg"))
        for (gone in listOf(item, before[0], -1, item + 2)) {
            assertThrows(IllegalArgumentException::class.java) { searcher.remove(gone) }
            assertThrows(IllegalArgumentException::class.java) { searcher.item(gone) }
        }
    }

    @Test
    fun `filters, counts and words know added and removed items`() = ask(Fixtures.asked) { searcher ->
        val norway = searcher.facets(listOf("album")).getValue("album").first { it.value == "Norway" }.items
        val facts = mapOf("album" to "Norway", "taken" to Date(1_700_000_000_000), "tags" to setOf("sea"), "mood" to "calm", "ratio" to null)
        val item = searcher.add(unit(searcher), "walks/IMG_9000.jpg", facts, listOf("an unheardof lighthouse"))
        assertEquals(setOf("album", "taken", "tags", "mood"), searcher.factsOf(item).keys)
        assertEquals(1_700_000_000L, searcher.factsOf(item).getValue("taken"))
        assertEquals("Norway", searcher.factsOf(4)["album"])
        assertEquals(norway + 1, searcher.facets(listOf("album")).getValue("album").first { it.value == "Norway" }.items)
        for (where in listOf("mood == 'calm'", "taken == 2023-11-14 and album == 'Norway'", "year(taken) == 2023 and 'sea' in tags")) {
            assertTrue(where, item in searcher.search("a boat", searcher.items, where).neighbors.map { it.item })
        }
        assertEquals(listOf(item), searcher.search("a boat", 10, allowed = searcher.find("walks/IMG_9000.jpg")).neighbors.map { it.item })
        assertEquals(item, searcher.search("unheardof", lexical = Lexical.ONLY).neighbors.single().item)
        assertEquals(item, searcher.search("IMG_9000.jpg", lexical = Lexical.AUTO).neighbors.first().item)
        searcher.remove(item)
        assertEquals(norway, searcher.facets(listOf("album")).getValue("album").first { it.value == "Norway" }.items)
        assertEquals(emptyList<Neighbor>(), searcher.search("unheardof", lexical = Lexical.ONLY).neighbors)
        assertEquals(emptyList<Neighbor>(), searcher.search("a boat", searcher.items, "mood == 'calm'").neighbors)
        assertThrows(IllegalArgumentException::class.java) { searcher.find("walks/IMG_9000.jpg") }
    }

    @Test
    fun `items are found by their names, and names that several have are refused`() = ask(Fixtures.asked) { searcher ->
        val names = listOf(30, 31).map { String(searcher.item(it)) }
        assertArrayEquals(intArrayOf(31, 30), searcher.find(names[1], names[0]))
        searcher.add(unit(searcher), names[0])
        val message = assertThrows(IllegalArgumentException::class.java) { searcher.find(names[0]) }.message
        assertEquals("several items are \"${names[0]}\": 30, ${searcher.manifest.items}; name one by its number.", message)
    }

    @Test
    fun `more of the nearest are given than the graph returns, and what is asked for beyond removed ones`() = ask(Fixtures.leaves) { searcher ->
        val query = unit(searcher)
        val added = List(30) { searcher.add(unit(searcher), "new $it") }
        val all = searcher.search(query, searcher.items).neighbors.map { it.item }
        assertEquals(searcher.items, all.size)
        for (item in all.take(20)) searcher.remove(item)
        val left = searcher.search(query, searcher.items).neighbors.map { it.item }
        assertEquals(all.drop(20), left)
        assertEquals(left.filter { it in added }, searcher.search(query, 50, allowed = added.toIntArray()).neighbors.map { it.item })
        val nearest = searcher.search(query, 5).neighbors
        assertEquals(5, nearest.size)
        assertEquals(nearest.map { it.distance }.sorted(), nearest.map { it.distance })
    }

    @Test
    fun `an overlay that is saved and opened again answers the same, and is the same file when it is saved again`() {
        for (base in listOf(Fixtures.asked, Fixtures.codes, Fixtures.fourBits, Fixtures.split, Fixtures.leaves)) {
            val (file, again) = temporary.newFile() to temporary.newFile()
            val (query, expected) = Fixtures.open(base).use { searcher ->
                repeat(20) { searcher.add(unit(searcher), "new $it.jpg", mapOf("mood" to "calm $it", "n" to it / 4.0)) }
                for (item in listOf(0, 7, searcher.manifest.items + 3)) searcher.remove(item)
                searcher.saveOverlay(file)
                unit(searcher).let { it to searcher.search(it, searcher.items, where = "mood == 'calm 5' or missing(mood)").neighbors.map(::shown) }
            }
            Fixtures.open(base, file).use { searcher ->
                assertEquals(expected, searcher.search(query, searcher.items, where = "mood == 'calm 5' or missing(mood)").neighbors.map(::shown))
                searcher.saveOverlay(again)
                assertArrayEquals(file.readBytes(), again.readBytes())
                assertEquals(searcher.manifest.items + 20, searcher.add(unit(searcher), "newest.jpg"))
            }
            assertEquals(emptyList<String>(), temporary.root.list()!!.filter { ".partial" in it })
        }
    }

    @Test
    fun `a searcher without items finds nothing until items are added`() = ask(Fixtures.overlay("empty.tflite")) { searcher ->
        assertEquals(emptyList<String>(), searcher.check(pictures = true))
        assertEquals(setOf("embed_text", "embed_image"), searcher.signatures)
        for (mode in Lexical.entries) assertEquals(emptyList<Neighbor>(), searcher.search("a red ball", lexical = mode).neighbors)
        assertEquals(0, searcher.size)
        val item = searcher.add(searcher.embed("a red ball"), "ball.jpg", mapOf("album" to "Norway"))
        searcher.add(unit(searcher), "other.jpg")
        assertEquals(listOf(item, 1), searcher.search("a red ball").neighbors.map { it.item })
        assertEquals(item, searcher.search("ball", lexical = Lexical.ONLY).neighbors.single().item)
        assertEquals(item, searcher.search("a boat", where = "album == 'Norway'").neighbors.single().item)
        assertEquals(listOf(1), searcher.similar(item).neighbors.map { it.item })
        searcher.remove(item)
        assertEquals(1, searcher.search("a red ball").neighbors.single().item)
    }

    @Test
    fun `what cannot be added is refused`() = ask(Fixtures.asked) { searcher ->
        val vector = unit(searcher)
        fun message(add: () -> Unit) = assertThrows(IllegalArgumentException::class.java) { add() }.message.orEmpty()
        assertTrue("has 3 dimensions, expected" in message { searcher.add(FloatArray(3), "a") })
        assertTrue("norm 2, the file's have 1" in message { searcher.add(FloatArray(vector.size) { 2 * vector[it] }, "a") }.replace("2.000", "2"))
        assertTrue("not finite" in message { searcher.add(FloatArray(vector.size) { Float.NaN }, "a") })
        val stars = message { searcher.add(vector, "a", mapOf("stars" to "many")) }
        assertEquals("facts: 'stars' is 'many', expected a number (it is a String).", stars)
        assertTrue("expected several texts" in message { searcher.add(vector, "a", mapOf("tags" to "sea")) })
        assertTrue("expected a Date" in message { searcher.add(vector, "a", mapOf("taken" to 3)) })
        assertEquals(searcher.manifest.items, searcher.items)
    }

    @Test
    fun `overlays of other searchers and damaged ones are refused with a sentence`() {
        val file = temporary.newFile("x.overlay")
        ask(Fixtures.asked) { searcher ->
            searcher.add(unit(searcher), "new.jpg", mapOf("mood" to "calm"))
            searcher.saveOverlay(file)
        }
        fun message(overlay: File, base: File = Fixtures.asked) =
            assertThrows("$overlay", SearcherException::class.java) { Fixtures.open(base, overlay).close() }.message.orEmpty().also {
                assertTrue(it, '\n' !in it && it.endsWith(".") && it.startsWith(overlay.path))
            }
        assertTrue("it belongs to another searcher" in message(file, Fixtures.leaves))
        val content = file.readBytes()
        val damaged = temporary.newFile("damaged.overlay")
        for (size in listOf(0, 10, content.size / 2, content.size - 1)) {
            damaged.writeBytes(content.copyOf(size))
            assertTrue("it is no overlay file, or it is damaged" in message(damaged))
        }
        for (place in (0 until 2000).map { random.nextInt(content.size) }) {
            damaged.writeBytes(content.clone().also { it[place] = (it[place].toInt() xor (1 shl random.nextInt(8))).toByte() })
            try {
                Fixtures.open(Fixtures.asked, damaged).close() // a flipped bit of a date, for one, changes nothing
            } catch (error: SearcherException) {
                assertTrue(error.message, '\n' !in error.message!!)
            }
        }
    }

    @Test
    fun `many threads search while others add and remove`() = ask(Fixtures.sample) { searcher ->
        val (start, errors) = CountDownLatch(1) to CopyOnWriteArrayList<Throwable>()
        val queries = List(8) { unit(searcher) }
        val rows = List(600) { unit(searcher) }
        searcher.add(unit(searcher), "new first", mapOf("writer" to -1)) // so that there is the column

        fun run(work: () -> Unit) = thread {
            start.await()
            try {
                work()
            } catch (error: Throwable) {
                errors += error
            }
        }
        val writers = List(2) { writer ->
            run {
                for (i in writer until rows.size step 2) {
                    val item = searcher.add(rows[i], "new $i", mapOf("writer" to writer))
                    assertEquals(item, searcher.search(rows[i], maxResults = 1).neighbors.single().item)
                    if (i % 3 == 0) searcher.remove(item)
                }
            }
        }
        val readers = List(3) { reader ->
            run {
                repeat(60) { i ->
                    val found = searcher.search(queries[(i + reader) % 8], 20, where = if (i % 2 == 0) "writer == 1 or missing(writer)" else null)
                    assertEquals(20, found.neighbors.size)
                    assertTrue(found.neighbors.map { it.distance }.zipWithNext().all { (a, b) -> a <= b })
                    assertTrue(found.neighbors.all { it.item < searcher.manifest.items || it.text.startsWith("new ") })
                }
            }
        }
        start.countDown()
        (writers + readers).forEach { it.join() }
        assertEquals(emptyList<Throwable>(), errors)
        assertEquals(searcher.manifest.items + 601, searcher.items)
        assertEquals(400, searcher.search(queries[0], searcher.items, where = "writer >= 0").neighbors.size)
    }

    private fun unit(searcher: Searcher): FloatArray {
        val values = FloatArray(searcher.manifest.dimension) { random.nextFloat() - 0.5f }
        val norm = sqrt(values.sumOf { it.toDouble() * it }).toFloat()
        return FloatArray(values.size) { values[it] / norm }
    }

    private fun shown(neighbor: Neighbor) = Triple(neighbor.item, neighbor.text, neighbor.distance)

    private fun ask(file: File, test: (Searcher) -> Unit) = Fixtures.open(file).use(test)
}
