package pocketsearcher.demo

import android.app.Application

/** Says what the screen asks; tests say otherwise. */
open class DemoApplication : Application() {
    /** Opens the searcher in the app's assets; may take long. */
    open fun openSearch(): PhotoSearch = openPhotoSearch(this)

    companion object {
        /** Put there by `maker export-android`. */
        const val ASSET = "searcher.tflite"
    }
}
