package pocketsearcher.demo

import android.app.Application

/** Opens the searcher of the app; tests replace it. */
open class DemoApplication : Application() {
    /** Opens the searcher in the assets of the app. This may take long. */
    open fun openSearch(): PhotoSearch = openPhotoSearch(this)

    companion object {
        /** The asset that `maker export-android` writes. */
        const val ASSET = "searcher.tflite"
    }
}
