package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import kotlin.math.abs

@RunWith(RobolectricTestRunner::class)
class PreparationTest {
    @Test
    fun `pictures are prepared as in Python`() {
        for (case in Fixtures.expected.getJSONArray("prepared").orEmpty()) {
            val argb = Fixtures.picture(case.getString("picture") + ".argb").readBytes()
            val source = ArgbPixels(argb, case.getInt("picture_width"), case.getInt("picture_height"))
            val size = case.getInt("height") to case.getInt("width")
            val how = case.getString("resize")
            val found = prepare(source, Preparation(size.first, size.second, how, case.getString("crop"), case.optInt("shortest_side")))
            val expected = Fixtures.picture(case.getString("prepared")).readBytes()
            assertEquals("$case", expected.size, found.size)
            val apart = expected.zip(found) { theirs, ours -> abs((theirs.toInt() and 0xff) - (ours.toInt() and 0xff)) }
            // Pillow's filters are whole numbers. The sum of float32 in another order may be on the other side of a half.
            if (how == "triangle") {
                assertTrue("$case: ${apart.max()}", apart.max() <= 1 && apart.count { it > 0 } <= apart.size / 500)
            } else {
                assertEquals("$case", 0, apart.max())
            }
        }
    }

    @Test
    fun `margins are halved as the manifest says`() {
        fun margin(crop: String, surplus: Int) = Preparation(1, 1, "triangle", crop, 1).margin(surplus)
        assertEquals(listOf(0, 0, 1, 1, 2), (0..4).map { margin("center", it) })
        assertEquals(listOf(0, 0, 1, 2, 2, 2, 3, 4), (0..7).map { margin("center_half_to_even", it) })
    }
}
