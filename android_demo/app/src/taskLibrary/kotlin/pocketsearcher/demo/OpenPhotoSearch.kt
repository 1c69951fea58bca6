package pocketsearcher.demo

import android.content.Context

/** In this flavour: the Task Library. */
fun openPhotoSearch(context: Context): PhotoSearch = TaskLibrarySearch(context)
