package pocketsearcher.demo

import android.app.Activity
import android.app.AlertDialog
import android.content.ActivityNotFoundException
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.widget.Button
import android.widget.EditText
import android.widget.GridView
import android.widget.ImageButton
import android.widget.ProgressBar
import android.widget.TextView

/** The only screen: a search box, a button for pictures, a row of chips, a line with the latency, and the grid. */
class MainActivity : Activity() {
    private lateinit var kept: Kept
    private lateinit var adapter: PhotoGrid
    private lateinit var chips: Chips
    private lateinit var gallery: GalleryRow
    private val app get() = application as DemoApplication
    private var restoring = false // the text changes, but nothing new is asked

    private val query by lazy { findViewById<EditText>(R.id.query) }
    private val pick by lazy { findViewById<ImageButton>(R.id.pick) }
    private val status by lazy { findViewById<TextView>(R.id.status) }
    private val grid by lazy { findViewById<GridView>(R.id.grid) }
    private val message by lazy { findViewById<TextView>(R.id.message) }
    private val action by lazy { findViewById<Button>(R.id.action) }
    private val opening by lazy { findViewById<ProgressBar>(R.id.opening) }

    /** The objects that survive a rotation of the screen. */
    private class Kept(val model: SearchModel, val thumbnails: Thumbnails)

    @Suppress("DEPRECATION") // keeps the object through a rotation, without the ViewModel of AndroidX
    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.main)
        kept = lastNonConfigurationInstance as Kept?
            ?: Kept(SearchModel(app::shareSearch), Thumbnails(assets, applicationContext.contentResolver))
        adapter = PhotoGrid(kept.thumbnails)
        chips = Chips(findViewById(R.id.chips)) { change -> kept.model.ask(change(kept.model.question)) }
        grid.adapter = adapter
        grid.setOnItemClickListener { _, _, position, _ -> askLike(adapter.getItem(position)) }
        pick.setOnClickListener { pickAPicture() }
        status.setOnClickListener { showReport() }
        query.addTextChangedListener(Typed { if (!restoring) kept.model.ask(kept.model.question.copy(text = it)) })
        grid.setOnItemLongClickListener { _, _, position, _ -> open(adapter.getItem(position)) }
        gallery = GalleryRow(findViewById(R.id.gallery), app.gallery, ask = ::askForPhotos, pick = { pick(pickPictures(), PICK_MINE) })
        kept.model.listener = ::show
        app.gallery.listener = {
            if (kept.model.takesPictures) gallery.show(it)
            if (it is GalleryState.Done) kept.model.refresh()
        }
    }

    override fun onStart() {
        super.onStart()
        app.gallery.start() // what was added, changed or deleted while the app was not seen
    }

    override fun onRestoreInstanceState(saved: Bundle) {
        // The search box gets its text back. That is not a new query if the result was kept.
        restoring = kept.model.screen !is Screen.Opening
        super.onRestoreInstanceState(saved)
        restoring = false
    }

    @Deprecated("The framework's only way without AndroidX.")
    override fun onRetainNonConfigurationInstance(): Any = kept

    override fun onDestroy() {
        kept.model.listener = null
        app.gallery.listener = null
        if (!isChangingConfigurations) {
            kept.model.close()
            kept.thumbnails.close()
        }
        super.onDestroy()
    }

    private fun show(screen: Screen) {
        opening.visible = screen is Screen.Opening
        pick.visible = kept.model.takesPictures
        chips.show(kept.model.filters, kept.model.question)
        if (kept.model.takesPictures) gallery.show(app.gallery.state)
        adapter.photos = emptyList()
        status.text = ""
        action.visible = false
        when (screen) {
            is Screen.Opening -> say(getString(R.string.opening))
            is Screen.Idle -> showIdle(screen)
            is Screen.Answered -> showAnswer(screen)
            is Screen.Closed -> showClosed(screen)
            is Screen.Failed -> say(screen.message)
        }
    }

    private fun showIdle(screen: Screen.Idle) {
        say(
            when (val items = screen.items) {
                null -> getString(R.string.idle_uncounted)
                0 -> getString(R.string.idle_empty)
                else -> resources.getQuantityString(R.plurals.idle, items, items)
            },
        )
        status.setText(R.string.measure)
    }

    private fun showAnswer(screen: Screen.Answered) {
        val (photos, weaker) = screen.found
        showPhotos(photos, screen)
        if (photos.isNotEmpty()) return
        say(getString(R.string.nothing, screen.question.name))
        if (weaker.isNotEmpty()) offer(R.string.show_nearest) { showPhotos(weaker, screen) }
    }

    private fun showPhotos(photos: List<Photo>, screen: Screen.Answered) {
        message.visible = false
        action.visible = false
        adapter.photos = photos
        grid.smoothScrollToPosition(0)
        val found = resources.getQuantityString(R.plurals.found, photos.size, photos.size)
        status.text = getString(R.string.status, screen.question.name, found, screen.milliseconds)
    }

    private fun showClosed(screen: Screen.Closed) {
        say(if (screen.missing) getString(R.string.no_searcher) else screen.message)
        offer(R.string.retry) { kept.model.openSearcher() }
    }

    private fun say(text: String) {
        message.text = text
        message.visible = true
    }

    private fun offer(label: Int, use: () -> Unit) {
        action.setText(label)
        action.setOnClickListener { use() }
        action.visible = true
    }

    private fun askLike(photo: Photo) {
        photo.item?.let { askLike(Like.Item(getString(R.string.more_like, photo.path), it)) }
    }

    /** Asks for what is like it; words that are typed from now on are added. */
    private fun askLike(like: Like) {
        restoring = true
        query.text.clear()
        restoring = false
        kept.model.ask(kept.model.question.copy(text = "", like = like))
    }

    /** Opens a photo of the phone in the app that shows photos. */
    private fun open(photo: Photo): Boolean {
        val uri = photo.uri ?: return false
        try {
            startActivity(Intent(Intent.ACTION_VIEW).setDataAndType(uri, "image/*").addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION))
        } catch (_: ActivityNotFoundException) {
            say(getString(R.string.no_picker))
        }
        return true
    }

    /** Asks for the permission when the user wants their photos to be found; Android shows its own dialog, or the chosen photos. */
    private fun askForPhotos() =
        if (applicationContext.galleryAccess() == Access.ALL) app.gallery.turnOn() else requestPermissions(galleryPermissions(), READ_PHOTOS)

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        if (request == READ_PHOTOS) app.gallery.turnOn()
    }

    private fun pickAPicture() = pick(pickPicture(), PICK)

    @Suppress("DEPRECATION") // AndroidX's result contracts are built on it
    private fun pick(intent: Intent, request: Int) =
        try {
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            say(getString(R.string.no_picker))
        }

    @Deprecated("AndroidX's result contracts are built on it.")
    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        if (data == null || result != RESULT_OK) return
        if (request == PICK_MINE) {
            val several = data.clipData?.run { List(itemCount) { getItemAt(it).uri } }
            app.gallery.add(several ?: listOfNotNull(data.data))
        }
        val picked: Uri = data.data ?: return
        if (request != PICK) return
        val resolver = applicationContext.contentResolver
        askLike(Like.Picture(getString(R.string.your_picture)) { resolver.decodePicture(picked) })
    }

    private fun showReport() {
        status.setText(R.string.measuring)
        kept.model.report { text ->
            if (isDestroyed) return@report
            AlertDialog.Builder(this).setMessage(text).setPositiveButton(android.R.string.ok, null).show()
            show(kept.model.screen)
        }
    }

    private var View.visible: Boolean
        get() = visibility == View.VISIBLE
        set(value) {
            visibility = if (value) View.VISIBLE else View.GONE
        }

    private class Typed(private val use: (String) -> Unit) : TextWatcher {
        override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit

        override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit

        override fun afterTextChanged(text: Editable) = use(text.toString())
    }

    private companion object {
        const val PICK = 1
        const val PICK_MINE = 2
        const val READ_PHOTOS = 3
    }
}
