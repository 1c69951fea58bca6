package pocketsearcher.demo

import android.app.Application

/** Opens the searcher of the app; tests replace it. */
open class DemoApplication : Application() {
    /** Opens the searcher in the assets of the app. This may take long. */
    open fun openSearch(): PhotoSearch = openPhotoSearch(this)

    private var search: PhotoSearch? = null
    private var users = 0

    /** The indexing of the photos of the phone, which goes on while no activity is there. */
    val gallery by lazy { GalleryWorker(this, ::shareSearch) }

    /** Opens the searcher, or shares it if it is open. The last one that closes it releases it. */
    @Synchronized
    fun shareSearch(): PhotoSearch {
        val shared = search ?: openSearch().also { search = it }
        users++
        return SharedSearch(shared) { release() }
    }

    @Synchronized
    private fun release() {
        if (--users == 0) {
            search?.close()
            search = null
        }
    }

    companion object {
        /** The asset that `maker export-android` writes. */
        const val ASSET = "searcher.tflite"

        /** The file, in the app's own folder, with what is known of the user's photos. */
        const val OVERLAY = "gallery.overlay"
    }
}
