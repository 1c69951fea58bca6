package pocketsearcher.demo

import pocketsearcher.Fixtures
import pocketsearcher.LiteRtModel
import pocketsearcher.Searcher

/** The app with a searcher without items, for the user's photos alone. */
class EmptyApplication : DemoApplication() {
    override fun openSearch() = GraphSearch("" to "", filesDir.resolve(OVERLAY)) { Fixtures.open(Fixtures.overlay("empty.tflite"), it) }
}

/** The app with LiteRT from the Python wheel instead of the Android library of TensorFlow Lite. */
class LiteRtApplication : DemoApplication() {
    override fun openSearch() = GraphSearch("ai-edge-litert" to "", filesDir.resolve(OVERLAY)) { overlay ->
        Searcher.open(assets, ASSET, overlay) { LiteRtModel(it, System.getProperty("pocketsearcher.litert")!!) }
    }
}
