package pocketsearcher.demo

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import org.junit.Assert.fail
import org.robolectric.Shadows.shadowOf
import java.io.File

private const val PATIENCE_MS = 20_000

/** Runs the main thread until a condition holds, else fails with [found]. The workers of the app are real threads. */
internal fun waitFor(what: String, found: () -> Any = { "" }, condition: () -> Boolean) {
    val end = System.currentTimeMillis() + PATIENCE_MS
    while (true) {
        shadowOf(Looper.getMainLooper()).idle()
        if (condition()) return
        if (System.currentTimeMillis() > end) fail("waited in vain: $what ${found()}")
        Thread.sleep(5)
    }
}

/** Draws the activity into a PNG, to look at. */
internal fun Activity.screenshot(name: String) {
    val folder = System.getProperty("pocketsearcher.screenshots") ?: return
    val view: View = window.decorView
    val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
    view.draw(Canvas(bitmap))
    File(folder, "$name.png").outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
}
