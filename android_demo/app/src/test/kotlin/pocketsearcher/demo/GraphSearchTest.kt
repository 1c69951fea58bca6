package pocketsearcher.demo

import android.graphics.Bitmap
import android.graphics.Color
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import pocketsearcher.Answer
import pocketsearcher.Fixtures
import pocketsearcher.Lexical
import pocketsearcher.Query
import pocketsearcher.Searcher
import java.io.File

@RunWith(RobolectricTestRunner::class)
class GraphSearchTest {
    private val picture = Bitmap.createBitmap(64, 48, Bitmap.Config.ARGB_8888).apply { eraseColor(Color.rgb(90, 140, 30)) }

    @Test
    fun `values that several photos share are offered as filters`() = open { search, _ ->
        assertEquals(setOf("folder", "album", "year(taken)", "tags"), search.filters.map { it.column }.toSet())
        for (filter in search.filters) {
            assertEquals(filter.where, filter.photos, search.search(boat.copy(filters = setOf(filter))).photos.size)
        }
    }

    @Test
    fun `filters of one column are alternatives, those of several all hold`() = open { search, searcher ->
        val sea = search.filters.first { it.value == "sea" }
        val city = search.filters.first { it.value == "city" }
        val norway = search.filters.first { it.value == "Norway" }
        val both = searcher.search("boat", where = "('sea' in tags or 'city' in tags) and album == 'Norway'")
        same(both, search.search(boat.copy(filters = setOf(sea, norway, city))))
        assertTrue(both.neighbors.size < sea.photos + city.photos)
    }

    @Test
    fun `words are looked up in names and captions, and a minus leaves out`() = open { search, searcher ->
        assertEquals(30, search.search(Question("IMG_030.jpg")).photos.first().item)
        same(searcher.search("a red ball", lexical = Lexical.AUTO), search.search(Question("a red ball")))
        same(searcher.search(Query("a red ball") - "a tree"), search.search(Question("a red ball -\"a tree\"")))
    }

    @Test
    fun `words are added to pictures and photos`() = open { search, searcher ->
        val like = Like.Picture("mine") { picture }
        same(searcher.search(picture), search.search(Question(like = like)))
        same(searcher.search(Query(picture) + "a boat"), search.search(Question("a boat", like)))
        same(searcher.search(Query(picture) + "a boat" - "sea"), search.search(Question("a boat -sea", like)))
        val item = Like.Item("3", 3)
        same(searcher.similar(3), search.search(Question(like = item)))
        same(searcher.search(Query(searcher.embedding(3)) + "a boat"), search.search(Question("a boat", item)))
    }

    private val boat = Question("boat")

    private fun same(expected: Answer, found: Found) = assertEquals(expected.neighbors.map { it.item }, found.photos.map { it.item })

    private fun open(test: (GraphSearch, Searcher) -> Unit) = Fixtures.open(Fixtures.asked).use { searcher ->
        GraphSearch("" to "", File("none")) { Fixtures.open(Fixtures.asked, it) }.use { test(it, searcher) }
    }
}
