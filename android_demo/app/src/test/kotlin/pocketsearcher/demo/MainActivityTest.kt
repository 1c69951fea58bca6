package pocketsearcher.demo

import android.content.Intent
import android.net.Uri
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.EditText
import android.widget.GridView
import android.widget.TextView
import android.widget.ToggleButton
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowAlertDialog
import java.io.ByteArrayInputStream
import java.io.FileNotFoundException

@RunWith(RobolectricTestRunner::class)
@Config(application = FakeApplication::class, qualifiers = "w393dp-h851dp-xhdpi")
class MainActivityTest {
    private val app get() = RuntimeEnvironment.getApplication() as FakeApplication
    private lateinit var controller: ActivityController<MainActivity>
    private val activity get() = controller.get()

    @After
    fun close() = controller.close().let { }

    @Test
    fun `typing shows photos and how long it took`() {
        start()
        assertTrue(text(R.id.message), text(R.id.message).contains("7,000 photos"))
        type("boat")
        waitFor("photos") { grid.count == 1 }
        assertEquals("images/boat.png", (grid.adapter.getItem(0) as Photo).path)
        assertTrue(text(R.id.status), Regex("boat · 1 photo · \\d+\\.\\d\\d ms").matches(text(R.id.status)))
        assertFalse(shown(R.id.message))
        type("")
        assertEquals(0, grid.count)
        assertTrue(shown(R.id.message))
    }

    @Test
    fun `where nothing matches it is said, and the nearest are offered`() {
        start()
        app.search.answer = { Found(emptyList(), listOf(Photo("a.png", 0f), Photo("b.png", 1f))) }
        type("nonsense")
        waitFor("the offer") { shown(R.id.action) }
        assertEquals("Nothing matches “nonsense”.", text(R.id.message))
        assertEquals(0, grid.count)
        activity.screenshot("nothing")
        activity.findViewById<Button>(R.id.action).performClick()
        assertEquals(2, grid.count)
        assertFalse(shown(R.id.message))
    }

    @Test
    fun `an error is said, and the next question is asked all the same`() {
        start()
        app.search.answer = { throw IllegalArgumentException("there is no search_text") }
        type("a")
        waitFor("the error") { text(R.id.message) == "there is no search_text" }
        app.search.answer = { Found(listOf(Photo("a.png", 0f))) }
        type("ab")
        waitFor("photos") { grid.count == 1 }
    }

    @Test
    fun `an app without a searcher says how to put one in, and opens it once it is there`() {
        app.refusal = FileNotFoundException("searcher.tflite")
        controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        waitFor("the message") { shown(R.id.action) }
        assertTrue(text(R.id.message), text(R.id.message).contains("maker export-android"))
        activity.screenshot("no_searcher")
        app.refusal = null
        activity.findViewById<Button>(R.id.action).performClick()
        waitFor("the searcher") { text(R.id.message).contains("7,000 photos") }
    }

    @Test
    fun `a turned screen keeps its answer without asking again`() {
        start()
        type("boat")
        waitFor("photos") { grid.count == 1 }
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        waitFor("photos") { grid.count == 1 }
        assertEquals("boat", text(R.id.query))
        assertEquals(listOf("boat"), app.search.asked)
        assertFalse(app.search.closed)
    }

    @Test
    fun `a picked picture is asked with`() {
        start()
        activity.findViewById<View>(R.id.pick).performClick()
        val started = shadowOf(activity).nextStartedActivityForResult
        assertEquals("android.provider.action.PICK_IMAGES", started.intent.action)
        val uri = Uri.parse("content://photos/1")
        val png = activity.assets.open("thumbnails/" + firstThumbnail()).use { it.readBytes() }
        shadowOf(activity.contentResolver).registerInputStreamSupplier(uri) { ByteArrayInputStream(png) }
        shadowOf(activity).receiveResult(started.intent, android.app.Activity.RESULT_OK, Intent().setData(uri))
        waitFor("photos") { grid.count == 1 }
        assertTrue(app.search.asked.single(), Regex("\\d+ x \\d+").matches(app.search.asked.single()))
        assertTrue(text(R.id.status), text(R.id.status).startsWith("Your picture"))
    }

    @Test
    fun `a photo is asked for more like it`() {
        start()
        app.search.answer = { Found(listOf(Photo("a.png", 0f, item = 7))) }
        type("boat")
        waitFor("photos") { grid.count == 1 }
        grid.performItemClick(grid, 0, 0)
        waitFor("the photo's answer") { text(R.id.status).startsWith("Like a.png · ") }
        assertEquals("", text(R.id.query))
        assertEquals("Like a.png ✕", text(R.id.like))
        type("at night")
        waitFor("words, too") { text(R.id.status).startsWith("Like a.png + at night · ") }
        activity.screenshot("more_like")
        activity.findViewById<View>(R.id.like).performClick()
        waitFor("words alone") { text(R.id.status).startsWith("at night · ") }
        assertFalse(shown(R.id.like))
        assertEquals(listOf("boat", "item 7", "item 7 | at night", "at night"), app.search.asked)
    }

    @Test
    fun `chips filter, those of one column as alternatives, and stay when the screen is turned`() {
        start()
        assertEquals(listOf("sea (12)", "snow (3)", "2024 (700)"), chips.map { it.text.toString() })
        chips[0].performClick()
        assertEquals(emptyList<String>(), app.search.asked)
        type("boat")
        waitFor("the first filter") { app.search.asked.contains("boat | ('sea' in tags)") }
        chips[1].performClick()
        chips[2].performClick()
        val all = "boat | ('sea' in tags or 'snow' in tags) and (year(taken) == 2024)"
        waitFor("all filters") { app.search.asked.contains(all) && shown(R.id.grid) }
        activity.screenshot("filters")
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        waitFor("photos") { grid.count == 1 }
        assertTrue(chips.all { it.isChecked })
        assertEquals(all, app.search.asked.last())
        chips.forEach { it.performClick() }
        waitFor("no filter") { app.search.asked.last() == "boat" }
    }

    @Test
    fun `the permission is asked for when the user wants their photos, and photos can be picked without it`() {
        start()
        assertEquals("Find your own photos, too. They stay on this phone.", text(R.id.gallery_text))
        assertNull(shadowOf(activity).lastRequestedPermission)
        activity.findViewById<View>(R.id.gallery_action).performClick()
        val asked = shadowOf(activity).lastRequestedPermission
        assertEquals(galleryPermissions().toList(), asked.requestedPermissions.toList())
        activity.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions, intArrayOf(-1, -1))
        assertTrue(text(R.id.gallery_text), "may not read your photos" in text(R.id.gallery_text))
        activity.screenshot("gallery_denied")
        activity.findViewById<View>(R.id.gallery_action).performClick()
        val started = shadowOf(activity).nextStartedActivityForResult
        assertEquals("android.provider.action.PICK_IMAGES", started.intent.action)
    }

    @Test
    fun `the row of the user's photos says how far they are, and a long press opens one`() {
        start()
        val row = GalleryRow(activity.findViewById(R.id.gallery), app.gallery, ask = {}, pick = {})
        val broken = listOf("Camera/a.jpg: it cannot be read")
        for ((state, said) in listOf(
            GalleryState.Working(GalleryProgress(1200, 4000)) to "Reading your photos: 1,200 of 4,000",
            GalleryState.Working(GalleryProgress(3, 40), Rest.WARM) to "Your photos: 3 of 40, waiting until the phone is cooler",
            GalleryState.Paused(GalleryProgress(3, 40)) to "Paused: 3 of 40 of your photos",
            GalleryState.Paused(null) to "Reading your photos is paused.",
            GalleryState.Done(GalleryProgress(40, 40), some = false) to "40 photos of this phone",
            GalleryState.Done(GalleryProgress(1, 1), some = true) to "1 photo that you chose",
            GalleryState.Failed("no space left") to "no space left",
            GalleryState.Done(GalleryProgress(40, 40, broken), some = false) to "39 photos of this phone, 1 cannot be read",
        )) {
            row.show(state)
            assertEquals(said, text(R.id.gallery_text))
        }
        activity.findViewById<View>(R.id.gallery_action).performClick()
        assertEquals(broken[0], ShadowAlertDialog.getLatestAlertDialog().findViewById<TextView>(android.R.id.message).text)
        ShadowAlertDialog.getLatestAlertDialog().dismiss()
        activity.screenshot("gallery_broken")
        app.search.answer = { Found(listOf(Photo("Camera/b.jpg", -0.5f, item = 9, uri = FakeMedia.uri(9)))) }
        type("boat")
        waitFor("photos") { grid.count == 1 }
        grid.onItemLongClickListener!!.onItemLongClick(grid, null, 0, 0)
        val viewed = shadowOf(activity).nextStartedActivity
        assertEquals(Intent.ACTION_VIEW to FakeMedia.uri(9), viewed.action to viewed.data)
    }

    @Test
    fun `the line above the grid checks and measures`() {
        start()
        activity.findViewById<View>(R.id.status).performClick()
        waitFor("the report") { ShadowAlertDialog.getLatestAlertDialog() != null }
        assertEquals("all is well", ShadowAlertDialog.getLatestAlertDialog().findViewById<TextView>(android.R.id.message).text)
    }

    @Test
    fun `leaving the app releases the searcher`() {
        start()
        controller.pause().stop().destroy()
        waitFor("the release") { app.search.closed }
    }

    private val grid get() = activity.findViewById<GridView>(R.id.grid)

    private val chips
        get() = activity.findViewById<ViewGroup>(R.id.chips).run { List(childCount - 1) { getChildAt(it + 1) as ToggleButton } }

    private fun start() {
        controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        waitFor("the searcher") { text(R.id.message).contains("photos") }
    }

    private fun type(text: String) = activity.findViewById<EditText>(R.id.query).setText(text)

    private fun text(id: Int) = activity.findViewById<TextView>(id).text.toString()

    private fun shown(id: Int) = activity.findViewById<View>(id).visibility == View.VISIBLE

    private fun firstThumbnail() = "images/" + activity.assets.list("thumbnails/images")!!.first()
}
