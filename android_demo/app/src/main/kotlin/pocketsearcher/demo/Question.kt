package pocketsearcher.demo

import android.graphics.Bitmap

/**
 * What is asked.
 *
 * @property text Words; a minus before a word leaves out what shows it.
 * @property like Something that the photos should be like, together with the words if there are any.
 * @property filters The photos have one of the values of each column that is named here.
 */
data class Question(val text: String = "", val like: Like? = null, val filters: Set<Filter> = emptySet()) {
    /** Whether nothing is asked. */
    val isEmpty get() = text.isBlank() && like == null

    /** What is asked, for people. */
    val name get() = listOfNotNull(like?.name, text.ifBlank { null }).joinToString(" + ")

    /** The filters as one; null if there are none. */
    val where
        get() = filters.groupBy { it.column }.values
            .joinToString(" and ") { chosen -> chosen.joinToString(" or ", "(", ")") { it.where } }
            .ifEmpty { null }
}

/** What photos should be like. */
sealed interface Like {
    /** For people. */
    val name: String

    /** A picture; it is decoded once, just before the first search. */
    class Picture(override val name: String, decode: () -> Bitmap) : Like {
        val bitmap by lazy(decode)
    }

    /** A photo of the app. */
    class Item(override val name: String, val item: Int) : Like
}

/** A value of a fact that photos can be filtered by; [where] leaves the [photos] that have it. */
data class Filter(val column: String, val value: String, val photos: Int, val where: String)
