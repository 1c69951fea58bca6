package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import kotlin.math.abs

@RunWith(RobolectricTestRunner::class)
class TriangleFilterTest {
    @Test
    fun `pictures are resized as in Python`() {
        for (case in Fixtures.expected.getJSONArray("resized").orEmpty()) {
            val source =
                ArgbPixels(Fixtures.picture(case.getString("picture") + ".argb").readBytes(), case.getInt("width"), case.getInt("height"))
            val found = resize(source, case.getInt("to_height"), case.getInt("to_width"))
            val expected = Fixtures.picture(case.getString("resized")).readBytes()
            assertEquals(expected.size, found.size)
            val apart = expected.zip(found) { theirs, ours -> abs((theirs.toInt() and 0xff) - (ours.toInt() and 0xff)) }
            // The sum of float32 in another order may be on the other side of a half.
            assertTrue("$case: ${apart.max()}", apart.max() <= 1)
            assertTrue("$case: ${apart.count { it > 0 }} of ${apart.size}", apart.count { it > 0 } <= apart.size / 500)
        }
    }

    @Test
    fun `a picture of the right size is left as it is`() {
        val argb = byteArrayOf(-1, 1, 2, 3, -1, 4, 5, 6)
        assertEquals(listOf<Byte>(1, 2, 3, 4, 5, 6), resize(ArgbPixels(argb, 2, 1), 1, 2).toList())
    }
}
