package pocketsearcher.demo

import android.content.ContentResolver
import android.graphics.Bitmap
import android.net.Uri
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import pocketsearcher.Fixtures
import pocketsearcher.doubles
import pocketsearcher.orEmpty
import kotlin.math.abs
import kotlin.math.sqrt

private const val LONG_SIDE = 977
private const val SHORT_SIDE = 641

@RunWith(RobolectricTestRunner::class)
class PicturesTest {
    private val resolver = RuntimeEnvironment.getApplication().contentResolver

    @Test
    fun `pictures are turned upright`() = upright { decodePicture(it) }

    @Test
    fun `so they are before Android 9`() = upright { decodeBeforeAndroid9(it) }

    private fun upright(decode: ContentResolver.(Uri) -> Bitmap) {
        for (orientation in 1..8) {
            val uri = Uri.parse("content://photos/$orientation")
            shadowOf(resolver).registerInputStreamSupplier(uri) { Fixtures.picture("turned-$orientation.jpg").inputStream() }
            val bitmap = resolver.decode(uri)
            val expected = if (orientation < 5) LONG_SIDE to SHORT_SIDE else SHORT_SIDE to LONG_SIDE
            assertEquals("orientation $orientation", expected, bitmap.width to bitmap.height)
            assertTrue("orientation $orientation", apart(bitmap, Fixtures.picture("turned-$orientation.rgb").readBytes()) < 2)
        }
    }

    @Test
    fun `photos have the embeddings that they have in Python`() = embedded { decodePicture(it) }

    @Test
    fun `so they have before Android 9`() = embedded { decodeBeforeAndroid9(it) }

    private fun embedded(decode: ContentResolver.(Uri) -> Bitmap) {
        val cases = Fixtures.expected.getJSONArray("photos").orEmpty()
        assertEquals(20, cases.size)
        for ((name, photos) in cases.groupBy { it.getString("searcher") }) {
            Fixtures.open(Fixtures.searcher(name)).use { searcher ->
                for (case in photos) {
                    val uri = Uri.parse("content://photos/${case.getString("photo")}")
                    shadowOf(resolver).registerInputStreamSupplier(uri) { Fixtures.picture(case.getString("photo")).inputStream() }
                    val expected = case.getJSONArray("embedding").doubles()
                    val found = searcher.embed(resolver.decode(uri))
                    val norms = sqrt(expected.sumOf { it * it }) * sqrt(found.sumOf { it.toDouble() * it })
                    val cosine = expected.zip(found.asList()) { a, b -> a * b }.sum() / norms
                    assertTrue("$name, ${case.getString("photo")}: $cosine", cosine >= 0.999)
                }
            }
        }
    }

    /** The mean difference from the pixels in Python: decoders round differently. */
    private fun apart(bitmap: Bitmap, rgb: ByteArray): Double {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        return rgb.indices.sumOf { abs((pixels[it / 3] shr (16 - 8 * (it % 3)) and 0xff) - (rgb[it].toInt() and 0xff)) } /
            rgb.size.toDouble()
    }
}
