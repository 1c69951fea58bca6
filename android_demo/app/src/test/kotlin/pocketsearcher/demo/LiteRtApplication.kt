package pocketsearcher.demo

import pocketsearcher.LiteRtModel
import pocketsearcher.Searcher

/** The app with LiteRT from the Python wheel instead of the Android library of TensorFlow Lite. */
class LiteRtApplication : DemoApplication() {
    override fun openSearch() = GraphSearch("ai-edge-litert" to "", filesDir.resolve(OVERLAY)) { overlay ->
        Searcher.open(assets, ASSET, overlay) { LiteRtModel(it, System.getProperty("pocketsearcher.litert")!!) }
    }
}
