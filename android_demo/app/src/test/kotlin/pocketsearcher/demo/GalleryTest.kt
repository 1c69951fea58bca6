package pocketsearcher.demo

import android.Manifest
import android.content.Context
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Color
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import android.view.View
import android.widget.EditText
import android.widget.GridView
import android.widget.ImageView
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.util.ReflectionHelpers
import pocketsearcher.Fixtures
import java.io.ByteArrayOutputStream

/** The photos of the phone in the search, with a fake MediaStore and the models of the fixtures. */
@RunWith(RobolectricTestRunner::class)
@Config(application = LiteRtApplication::class)
class GalleryTest {
    private val app get() = RuntimeEnvironment.getApplication() as DemoApplication
    private val overlay get() = app.filesDir.resolve(DemoApplication.OVERLAY)
    private lateinit var media: FakeMedia

    @Before
    fun setUp() {
        media = Robolectric.setupContentProvider(FakeMedia::class.java, "media")
        for (id in 1L..5L) media.put(id, "IMG_$id.png", png(Color.rgb((40 * id).toInt(), 90, 200)))
        shadowOf(app).grantPermissions(*galleryPermissions())
    }

    @Test
    fun `photos of the phone are found, each with its own picture`() {
        val done = index()
        assertEquals(GalleryState.Done(GalleryProgress(5, 5), some = false), done)
        app.shareSearch().use { search ->
            assertEquals(items + 5, search.items)
            val found = search.search(Question(like = Like.Picture("mine") { bitmap(Color.rgb(120, 90, 200)) })).photos.first()
            assertEquals("Camera/IMG_3.png", found.path)
            assertEquals(FakeMedia.uri(3), found.uri)
            val thumbnails = Thumbnails(app.assets, app.contentResolver)
            assertEquals(Color.rgb(120, 90, 200), thumbnails.decode(found)!!.getPixel(5, 5))
            media.delete(3)
            assertEquals(-0.99f, found.distance, 0.02f)
        }
    }

    @Test
    fun `only new and changed photos are embedded, and deleted ones are removed`() {
        val index = TestIndex()
        index.run()
        assertEquals(listOf(5L, 4L, 3L, 2L, 1L), index.embedded)
        index.run()
        assertEquals(5, index.embedded.size)
        media.put(6, "new.png", png(Color.RED))
        media.put(2, "IMG_2.png", png(Color.GREEN), modified = 1_800_000_000)
        media.delete(4)
        index.run()
        assertEquals(listOf(2L, 6L), index.embedded.drop(5))
        assertEquals(listOf(1L, 2L, 3L, 5L, 6L), index.kept.map { it.id!! }.sorted())
    }

    @Test
    fun `a broken photo is listed with its name, the others are indexed, and it is not tried again until it changes`() {
        media.put(9, "broken.jpg", "no picture".toByteArray())
        media.put(8, "cut.png", png(Color.RED).copyOf(40))
        val index = TestIndex()
        val progress = index.run()
        assertEquals(listOf("Camera/broken.jpg", "Camera/cut.png"), progress.broken.map { it.substringBefore(": ") })
        assertTrue(progress.broken.toString(), progress.broken.all { it.substringAfter(": ").isNotBlank() && '\n' !in it })
        assertEquals(7 to 7, progress.done to progress.total)
        assertEquals(5, index.kept.size)
        val tried = index.tried
        index.run()
        assertEquals(tried, index.tried)
        media.put(9, "broken.jpg", png(Color.YELLOW), modified = 1_800_000_000)
        assertEquals(listOf("Camera/cut.png"), index.run().broken.map { it.substringBefore(": ") })
        assertEquals(6, index.kept.size)
    }

    @Test
    fun `work that is ended in the middle goes on where it was last saved`() {
        open().use { search ->
            var left = 3
            val indexer = GalleryIndexer(search, { app.contentResolver.decodePicture(it) }, savedPhotos = 2)
            try {
                indexer.run(app.contentResolver.galleryPhotos(), { if (left-- > 0) true else throw ThreadDeath() }, {})
            } catch (_: ThreadDeath) {
                // the process is ended
            }
        }
        val saved = open().use { it.photos().mapNotNull { photo -> photo.id } }
        assertTrue("$saved", saved.size in 2..3 && saved.first() == 5L)
        val done = index()
        assertEquals(GalleryState.Done(GalleryProgress(5, 5), some = false), done)
        open().use { search -> assertEquals(listOf(1L, 2L, 3L, 4L, 5L), search.photos().map { it.id!! }.sorted()) }
    }

    @Test
    fun `without the permission nothing is read, and nothing is lost`() {
        index()
        val saved = overlay.readBytes().toList()
        shadowOf(app).denyPermissions(*galleryPermissions())
        media.delete(1)
        val worker = worker()
        worker.turnOn()
        assertEquals(GalleryState.Denied, worker.state)
        assertEquals(saved, overlay.readBytes().toList())
        open().use { assertEquals(5, it.photos().size) }
    }

    @Test
    fun `of photos that the user chose it is said that they are some`() {
        shadowOf(app).denyPermissions(Manifest.permission.READ_MEDIA_IMAGES)
        assertEquals(Access.SOME, app.galleryAccess())
        assertEquals(GalleryState.Done(GalleryProgress(5, 5), some = true), index())
        media.delete(2) // the user chose others
        media.put(7, "chosen.png", png(Color.RED))
        assertEquals(GalleryState.Done(GalleryProgress(5, 5), some = true), index())
        open().use { assertEquals(setOf(1L, 3L, 4L, 5L, 7L), it.photos().map { photo -> photo.id }.toSet()) }
    }

    @Test
    fun `each version of Android is asked for what it knows`() {
        val images = Manifest.permission.READ_MEDIA_IMAGES
        val permissions = mapOf(24 to Manifest.permission.READ_EXTERNAL_STORAGE, 32 to Manifest.permission.READ_EXTERNAL_STORAGE, 33 to images)
        shadowOf(app).denyPermissions(images)
        for ((version, permission) in permissions) {
            ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", version)
            assertEquals(listOf(permission), galleryPermissions().toList())
            assertEquals(Access.NONE, app.galleryAccess())
            shadowOf(app).grantPermissions(permission)
            assertEquals(Access.ALL, app.galleryAccess())
            shadowOf(app).denyPermissions(permission)
        }
    }

    @Test
    fun `pictures that were picked are indexed without any permission, and once`() {
        shadowOf(app).denyPermissions(*galleryPermissions())
        val worker = worker()
        repeat(2) {
            worker.add(listOf(FakeMedia.uri(2), FakeMedia.uri(3)))
            waitFor("the end", { worker.state }) { worker.state is GalleryState.Done }
        }
        open().use { search ->
            assertEquals(setOf(FakeMedia.uri(2), FakeMedia.uri(3)), search.photos().map { it.uri }.toSet())
            assertEquals(2, search.photos().size)
            val red = search.search(Question(like = Like.Picture("mine") { bitmap(Color.rgb(80, 90, 200)) })).photos.first()
            assertEquals(FakeMedia.uri(2), red.uri)
        }
    }

    @Test
    fun `it waits while the phone rests, can be paused, and goes on`() {
        var rest: Rest? = Rest.WARM
        val worker = GalleryWorker(app, app::shareSearch) { rest }
        worker.turnOn()
        waitFor("the rest", { worker.state }) { (worker.state as? GalleryState.Working)?.rest == Rest.WARM }
        worker.pause()
        assertEquals(GalleryState.Paused(GalleryProgress(0, 5)), worker.state)
        worker.start()
        assertTrue(worker.state is GalleryState.Paused)
        rest = null
        worker.resume()
        waitFor("the end", { worker.state }) { worker.state is GalleryState.Done }
        val later = GalleryWorker(app, app::shareSearch) { null }
        later.start() // as the next start of the app does
        waitFor("the end", { later.state }) { later.state is GalleryState.Done }
    }

    @Test
    fun `the battery and its saver are reasons to rest, a charger is none`() {
        assertNull(app.reasonToRest())
        battery(level = 10, plugged = 0)
        assertEquals(Rest.LOW_BATTERY, app.reasonToRest())
        battery(level = 10, plugged = BatteryManager.BATTERY_PLUGGED_USB)
        assertNull(app.reasonToRest())
        val power = shadowOf(app.getSystemService(Context.POWER_SERVICE) as PowerManager)
        power.setCurrentThermalStatus(PowerManager.THERMAL_STATUS_MODERATE)
        assertEquals(Rest.WARM, app.reasonToRest())
        power.setIsPowerSaveMode(true)
        assertEquals(Rest.BATTERY_SAVER, app.reasonToRest())
    }

    @Test
    fun `an index of another searcher is said to be, and the photos are indexed again`() {
        overlay.writeBytes(Fixtures.overlay("lengths.overlay").readBytes())
        val done = index() as GalleryState.Done
        assertEquals(5, done.progress.done)
        assertTrue(done.progress.note, "it belongs to another searcher" in done.progress.note!!)
        assertNull((index() as GalleryState.Done).progress.note)
    }

    @Test
    fun `photos that are to be forgotten are gone from the search and from its file`() {
        index()
        val size = overlay.length()
        val worker = worker()
        worker.forget()
        waitFor("the end") { overlay.length() < size }
        open().use { assertEquals(emptyList<Long>(), it.photos().map { photo -> photo.id }) }
        assertFalse("Camera/IMG_3" in overlay.readText(Charsets.ISO_8859_1))
        worker.start()
        assertEquals(GalleryState.Off, worker.state)
    }

    @Test
    fun `a list of photos that cannot be read is said, and nothing is removed`() {
        index()
        media.answers = false
        val worker = worker()
        worker.turnOn()
        waitFor("the end", { worker.state }) { worker.state is GalleryState.Failed }
        open().use { assertEquals(5, it.photos().size) }
    }

    @Test
    fun `searches are answered while photos are being read`() {
        for (id in 10L..60L) media.put(id, "IMG_$id.png", png(Color.rgb(id.toInt(), 10, 10)))
        val worker = worker()
        worker.turnOn()
        app.shareSearch().use { search ->
            var answers = 0
            waitFor("the end", { worker.state }) {
                assertNotEquals(0, search.search(Question("a red ball")).photos.size)
                answers++
                worker.state is GalleryState.Done
            }
            assertTrue("$answers", answers > 1)
            assertEquals(items + 56, search.items)
        }
    }

    private val items by lazy { Fixtures.open(Fixtures.sample).use { it.manifest.items } }

    @Test
    @Config(application = EmptyApplication::class)
    fun `an app without photos of its own finds those of the phone`() {
        Robolectric.buildActivity(MainActivity::class.java).setup().use { controller ->
            val activity = controller.get()
            val said = activity.findViewById<TextView>(R.id.message)
            waitFor("the searcher", said::getText) { said.text.toString() == activity.getString(R.string.idle_empty) }
            activity.findViewById<View>(R.id.gallery_action).performClick()
            waitFor("the photos", { app.gallery.state }) { said.text.contains("in 5 photos") }
            activity.screenshot("gallery_done")
            activity.findViewById<EditText>(R.id.query).setText("a red ball")
            val grid = activity.findViewById<GridView>(R.id.grid)
            waitFor("photos") { grid.count == 5 }
            waitFor("a thumbnail") { grid.childCount > 0 && grid.getChildAt(0).findViewById<ImageView>(R.id.thumbnail).drawable != null }
            activity.screenshot("gallery_found")
        }
    }

    /** Indexes as a start of the app does, until it is done. */
    private fun index(): GalleryState {
        val worker = worker()
        worker.turnOn()
        waitFor("the end", { worker.state }) { worker.state is GalleryState.Done }
        return worker.state
    }

    private fun worker() = GalleryWorker(app, app::shareSearch) { null }

    private fun open() = app.openSearch() as GraphSearch

    @Suppress("DEPRECATION") // what the system does
    private fun battery(level: Int, plugged: Int) = app.sendStickyBroadcast(
        Intent(Intent.ACTION_BATTERY_CHANGED).putExtra(BatteryManager.EXTRA_LEVEL, level).putExtra(BatteryManager.EXTRA_SCALE, 100)
            .putExtra(BatteryManager.EXTRA_PLUGGED, plugged),
    )

    private fun bitmap(color: Int) = Bitmap.createBitmap(80, 60, Bitmap.Config.ARGB_8888).apply { eraseColor(color) }

    private fun png(color: Int) = ByteArrayOutputStream().also { bitmap(color).compress(Bitmap.CompressFormat.PNG, 100, it) }.toByteArray()

    /** An index that counts what it is asked for. */
    private inner class TestIndex : PhotoIndex {
        val embedded = ArrayList<Long>()
        val kept = ArrayList<IndexedPhoto>()
        var tried = 0
        override val refused: String? = null
        private val indexer = GalleryIndexer(this, {
            tried++
            app.contentResolver.decodePicture(it)
        })

        fun run(): GalleryProgress {
            var last = GalleryProgress(0, 0)
            indexer.run(app.contentResolver.galleryPhotos(), { true }) { last = it }
            return last
        }

        override fun photos() = kept.toList()

        override fun embed(bitmap: Bitmap) = floatArrayOf(1f)

        override fun add(vector: FloatArray, photo: GalleryPhoto) {
            embedded += photo.id!!
            kept += IndexedPhoto(embedded.size, photo.id, photo.uri, photo.modified, photo.bytes)
        }

        override fun remove(photo: IndexedPhoto) {
            kept -= photo
        }

        override fun save() = Unit
    }
}
