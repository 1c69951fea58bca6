package pocketsearcher.demo

import pocketsearcher.LiteRtModel
import pocketsearcher.Searcher

/** The app over LiteRT from the Python wheel, in the place of TensorFlow Lite's Android library. */
class LiteRtApplication : DemoApplication() {
    override fun openSearch() = GraphSearch("ai-edge-litert" to "") {
        Searcher.open(assets, ASSET) { LiteRtModel(it, System.getProperty("pocketsearcher.litert")!!) }
    }
}
