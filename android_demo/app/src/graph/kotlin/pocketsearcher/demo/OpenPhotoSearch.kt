package pocketsearcher.demo

import android.content.Context
import org.tensorflow.lite.TensorFlowLite
import pocketsearcher.Searcher

/** In this flavour: the searcher graph, with TensorFlow Lite alone. */
fun openPhotoSearch(context: Context): PhotoSearch =
    GraphSearch("org.tensorflow:tensorflow-lite" to TensorFlowLite.runtimeVersion(), context.filesDir.resolve(DemoApplication.OVERLAY)) {
        Searcher.open(context.assets, DemoApplication.ASSET, overlay = it)
    }
