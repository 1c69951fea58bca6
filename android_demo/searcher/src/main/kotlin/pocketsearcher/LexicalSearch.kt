package pocketsearcher

import java.util.BitSet
import kotlin.math.ln

private const val SATURATION = 1.2 // k1 of BM25
private const val LENGTH_WEIGHT = 0.75 // b of BM25
private const val FEW = 1000 // items that are scored: those with the rarest words of the query, before they exceed this number
private const val WORD_WEIGHT = 1.0
private const val COMMON = 4 // with added items, a word of more than one in so many items is left out
private const val FEW_ITEMS = 64 // below which all words are kept

/** Whether the words of a sentence are also looked up in names, captions and text facts; for files that were built with `--lexical`. */
enum class Lexical {
    /** Embeddings alone. */
    OFF,

    /** Both lists together. */
    AUTO,

    /** Only what has a word of the sentence. */
    ONLY,
}

/** An item, its score, and whether it has all words of the query that the index knows. */
internal class WordMatch(val item: Int, val score: Float, val whole: Boolean)

/** The words of consecutive items, those of a file or those that were added to it, the first of which is [start]; [hidden] were removed. */
internal class LexicalPart(val index: LexicalIndex, val start: Int, val hidden: BitSet)

/**
 * Scores items by BM25 (Robertson et al., "Okapi at TREC-3", 1994), as Python does (task/search/lexical.py). A word counts once for an
 * item.
 *
 * Only items with one of the rarest words of a query are scored. The other words add to their scores. Several parts are scored as one index
 * of all their items would be. A word that is common in one part, and so has no items there, is left out of all.
 */
internal class LexicalSearch(private val parts: List<LexicalPart>) {
    private val common = parts.flatMap { it.index.common }.toSet()
    private val items = parts.sumOf { it.index.items - it.hidden.cardinality() }

    /** The mean number of different words of an item, at least 1. */
    private val meanLength: Double

    init {
        var words = 0L
        for (part in parts) for (item in 0 until part.index.items) if (!part.hidden[item]) words += part.index.length(item)
        meanLength = if (items == 0) 1.0 else maxOf(words.toDouble() / items, 1.0)
    }

    /** A word of a query: the items with it in each part, and how many of them were not removed. */
    private class Word(val postings: List<Postings>, val total: Int)

    /** At most [CANDIDATES] items with the highest scores, of those allowed (null for all); equal scores come by item. */
    fun matches(text: String, allowed: BitSet?): List<WordMatch> {
        val known = words(text).distinct().map(::term).filter { it !in common }.map(::word).filter(::isRare).sortedBy { it.total }
        val candidates = candidates(known, allowed)
        val rarity = known.map { ln(1 + (items - it.total + 0.5) / (it.total + 0.5)) }
        val found = ArrayList<WordMatch>()
        candidates.each { item ->
            val number = parts.indexOfLast { it.start <= item }
            val part = parts[number]
            var (score, count) = 0.0 to 0
            for (i in known.indices) {
                if (item - part.start in known[i].postings[number]) {
                    score += rarity[i]
                    count++
                }
            }
            found += WordMatch(item, (score * weight(part.index.length(item - part.start))).toFloat(), count == known.size)
        }
        return found.sortedWith(compareBy({ -it.score }, { it.item })).take(CANDIDATES)
    }

    private fun word(term: Int): Word {
        val postings = parts.map { it.index.postings(term) }
        val hidden = parts.zip(postings) { part, of -> if (part.hidden.isEmpty) 0 else of.count { part.hidden[it] } }
        return Word(postings, postings.sumOf { it.total } - hidden.sum())
    }

    private fun isRare(word: Word) = word.total > 0 && word.total <= if (parts.size > 1 && items >= FEW_ITEMS) items / COMMON else items

    /** The items with one of the rarest words: those of as many words as keep them few, but of one at least. */
    private fun candidates(known: List<Word>, allowed: BitSet?): BitSet {
        val taken = BitSet()
        var total = 0
        for (word in known) {
            if (total > 0 && total + word.total > FEW) break
            parts.zip(word.postings) { part, postings ->
                postings.each { item ->
                    if (!part.hidden[item] && (allowed == null || allowed[part.start + item])) {
                        taken.set(part.start + item)
                        total++
                    }
                }
            }
        }
        return taken
    }

    /** What the length of an item makes of the rarity of its words, in float32 as in Python. */
    private fun weight(words: Int): Float {
        val length = (1 - LENGTH_WEIGHT).toFloat() + (LENGTH_WEIGHT / meanLength).toFloat() * words
        return (SATURATION + 1).toFloat() / (1 + SATURATION.toFloat() * length)
    }

    companion object {
        const val CANDIDATES = 50 // of each list
    }
}

/**
 * One score of each candidate, higher is better: a convex combination of both lists (Bruch et al., "An Analysis of Fusion Functions for
 * Hybrid Retrieval", 2023). Distances are scaled between the farthest and the nearest candidate; word scores by the highest.
 */
internal fun fused(distances: List<Double>, wordScores: List<Double>): List<Double> {
    val farthest = distances.max()
    val spread = (farthest - distances.min()).takeIf { it != 0.0 } ?: 1.0
    val highest = wordScores.max().takeIf { it != 0.0 } ?: 1.0
    return distances.zip(wordScores) { distance, score -> (farthest - distance) / spread + WORD_WEIGHT * score / highest }
}
