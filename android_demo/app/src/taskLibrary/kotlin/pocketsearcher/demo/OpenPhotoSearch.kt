package pocketsearcher.demo

import android.content.Context

/** The way of this flavour: the Task Library. */
fun openPhotoSearch(context: Context): PhotoSearch = TaskLibrarySearch(context)
