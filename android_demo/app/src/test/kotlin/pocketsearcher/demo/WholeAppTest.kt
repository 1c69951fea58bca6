package pocketsearcher.demo

import android.widget.EditText
import android.widget.GridView
import android.widget.ImageView
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import pocketsearcher.Fixtures
import pocketsearcher.neighbors

/** The screen, the library and LiteRT together, on the assets of `maker export-android`. */
@RunWith(RobolectricTestRunner::class)
@Config(application = LiteRtApplication::class)
class WholeAppTest {
    @Test
    @Config(qualifiers = "w393dp-h851dp-xhdpi")
    fun `a phone finds what Python finds`() = ask("phone")

    @Test
    @Config(qualifiers = "w851dp-h393dp-land-night-xhdpi")
    fun `so it does turned, at night`() = ask("phone_turned_at_night")

    private fun ask(name: String) {
        val case = Fixtures.expected.getJSONArray("texts").getJSONObject(0)
        Robolectric.buildActivity(MainActivity::class.java).setup().use { controller ->
            val activity = controller.get()
            val message = activity.findViewById<TextView>(R.id.message)
            waitFor("the searcher", message::getText) { message.text.contains("photos") }
            activity.screenshot("${name}_idle")
            val grid = activity.findViewById<GridView>(R.id.grid)
            activity.findViewById<EditText>(R.id.query).setText(case.getString("query"))
            waitFor("photos") { grid.count > 0 }
            val expected = case.getJSONArray("answer").neighbors().map { it.first }
            assertEquals(expected, List(expected.size) { (grid.adapter.getItem(it) as Photo).path })
            waitFor("thumbnails") { grid.childCount > 0 && grid.getChildAt(0).findViewById<ImageView>(R.id.thumbnail).drawable != null }
            waitFor("all that are shown") {
                (0 until grid.childCount).all { grid.getChildAt(it).findViewById<ImageView>(R.id.thumbnail).drawable != null }
            }
            assertTrue(grid.childCount > 3)
            activity.screenshot(name)
        }
    }
}
