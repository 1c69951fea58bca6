package pocketsearcher.demo

import android.graphics.Bitmap
import android.os.Looper
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.IOException
import java.util.concurrent.CountDownLatch

@RunWith(RobolectricTestRunner::class)
class SearchModelTest {
    private val search = FakeSearch()
    private val seen = mutableListOf<Screen>()

    @Test
    fun `only the newest question is answered`() {
        val model = open()
        val release = CountDownLatch(1)
        search.answer = { text ->
            if (text == "a") release.await()
            Found(listOf(Photo(text, 0f)))
        }
        model.ask(Question("a"))
        waitFor("the first question") { search.asked == listOf("a") }
        model.ask(Question("a r"))
        model.ask(Question("a red"))
        release.countDown()
        waitFor("an answer") { model.screen is Screen.Answered }
        assertEquals(listOf("a", "a red"), search.asked)
        assertEquals(listOf("a red"), seen.filterIsInstance<Screen.Answered>().map { it.found.photos.single().path })
    }

    @Test
    fun `questions are answered off the main thread`() {
        val model = open()
        search.answer = { Found(listOf(Photo("${Looper.myLooper() == Looper.getMainLooper()}", 0f))) }
        model.ask(Question("a"))
        waitFor("an answer") { model.screen is Screen.Answered }
        assertEquals("false", (model.screen as Screen.Answered).found.photos.single().path)
    }

    @Test
    fun `a question that is asked while the searcher opens is answered`() {
        val model = SearchModel { search }
        model.ask(Question("early"))
        waitFor("an answer") { model.screen is Screen.Answered }
        assertEquals(listOf("early"), search.asked)
    }

    @Test
    fun `an empty box asks nothing and drops what is under way`() {
        val model = open()
        val release = CountDownLatch(1)
        search.answer = {
            release.await()
            Found(emptyList())
        }
        model.ask(Question("a"))
        waitFor("the question") { search.asked.isNotEmpty() }
        model.ask(Question("  "))
        release.countDown()
        model.report { } // waits in the queue after it
        waitFor("the worker") { model.screen is Screen.Idle }
        assertFalse(seen.any { it is Screen.Answered })
    }

    @Test
    fun `a picture is decoded when its turn comes, and an error is said`() {
        val model = open()
        model.ask(Question(like = Like.Picture("mine") { Bitmap.createBitmap(3, 2, Bitmap.Config.ARGB_8888) }))
        waitFor("an answer") { model.screen is Screen.Answered }
        assertEquals(listOf("3 x 2"), search.asked)
        model.ask(Question(like = Like.Picture("broken") { throw IOException("broken.jpg: cannot be decoded") }))
        waitFor("the error") { model.screen is Screen.Failed }
        assertEquals(Screen.Failed("broken.jpg: cannot be decoded"), model.screen)
        model.ask(Question("again"))
        waitFor("the next answer") { model.screen is Screen.Answered }
    }

    @Test
    fun `the searcher is released when the model is closed`() {
        open().close()
        waitFor("the release") { search.closed }
        assertTrue(seen.last() is Screen.Idle)
    }

    private fun open(): SearchModel {
        val model = SearchModel { search }
        model.listener = { seen += it }
        waitFor("the searcher") { model.screen is Screen.Idle }
        return model
    }
}
