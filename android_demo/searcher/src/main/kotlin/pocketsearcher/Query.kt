package pocketsearcher

import android.graphics.Bitmap

// A space of any kind, which `\s` alone is on Android only.
private const val SPACE = "\\s\\p{Z}"
private val EXCLUDED = Regex("(^|[$SPACE])-(?:\"([^\"]+)\"|([^$SPACE\"-][^$SPACE]*))")
private val SPACES = Regex("[$SPACE]+")

/**
 * A query of several parts: sentences, pictures and embeddings, added to each other or excluded.
 *
 * ```
 * searcher.search(Query("a dog on the beach") - "a ball")
 * searcher.search(Query(bitmap) + 0.5 * Query("snow"))
 * ```
 */
class Query private constructor(internal val wanted: List<Wanted>, internal val excluded: List<Part>) {
    /** A sentence, with a weight above 0. */
    constructor(text: String, weight: Double = 1.0) : this(listOf(Wanted(Part.Text(text), weight)), emptyList())

    /** An upright picture of any size, with a weight above 0. */
    constructor(bitmap: Bitmap, weight: Double = 1.0) : this(BitmapPixels(bitmap), weight)

    /** An embedding: of [Searcher.embed], or [Searcher.embedding] of an item, with a weight above 0. */
    constructor(vector: FloatArray, weight: Double = 1.0) : this(listOf(Wanted(Part.Vector(vector), weight)), emptyList())

    internal constructor(pixels: Pixels, weight: Double = 1.0) : this(listOf(Wanted(Part.Picture(pixels), weight)), emptyList())

    init {
        for ((_, weight) in wanted) {
            require(weight > 0 && weight < Double.POSITIVE_INFINITY) { "the weight of a part is $weight, expected a number above 0." }
        }
    }

    /** A query with the parts of both. */
    operator fun plus(other: Query) = Query(wanted + other.wanted, excluded + other.excluded)

    /** A query with one more sentence. */
    operator fun plus(text: String) = this + Query(text)

    /**
     * A query that excludes the parts of another, each by itself.
     *
     * @throws IllegalArgumentException The other has a weight, or excludes something itself.
     */
    operator fun minus(other: Query): Query {
        require(other.excluded.isEmpty() && other.wanted.all { it.weight == 1.0 }) {
            "what a query excludes has no weight and excludes nothing itself; subtract the parts one by one."
        }
        return Query(wanted, excluded + other.wanted.map { it.part })
    }

    /** A query that excludes what a sentence says. */
    operator fun minus(text: String) = this - Query(text)

    /** A query with all weights multiplied. */
    operator fun times(factor: Double) = Query(wanted.map { (part, weight) -> Wanted(part, weight * factor) }, excluded)

    /** The part, if it is the only one and nothing is excluded. */
    internal val onlyPart: Part? get() = wanted.singleOrNull()?.part.takeIf { excluded.isEmpty() }

    /** A part and its weight. */
    internal data class Wanted(val part: Part, val weight: Double)

    internal sealed interface Part {
        data class Text(val text: String) : Part

        class Picture(val pixels: Pixels) : Part

        class Vector(val values: FloatArray) : Part
    }

    companion object {
        /**
         * The query that a person types: a minus directly before a word, or before words in double quotes, excludes them, as in
         * `a dog -ball -"red car"`. A minus inside a word or before a space is part of the sentence.
         *
         * @throws IllegalArgumentException The text says only what to exclude.
         */
        fun parse(text: String): Query {
            val excluded = EXCLUDED.findAll(text).map { (it.groups[2] ?: it.groups[3])!!.value.trim() }.toList()
            if (excluded.isEmpty()) return Query(text)
            val wanted = EXCLUDED.replace(text) { it.groupValues[1] }.split(SPACES).filter { it.isNotEmpty() }.joinToString(" ")
            require(wanted.isNotEmpty()) { "\"${text.take(60)}\" says only what to exclude; say what to find, too." }
            return excluded.fold(Query(wanted)) { query, part -> query - part }
        }
    }
}

/** A query with all weights multiplied. */
operator fun Double.times(query: Query): Query = query * this
