package pocketsearcher

import java.util.BitSet
import kotlin.math.ln

private const val SATURATION = 1.2 // k1 of BM25
private const val LENGTH_WEIGHT = 0.75 // b of BM25
private const val FEW = 1000 // items that are scored: those with the rarest words of the query, before they exceed this number
private const val WORD_WEIGHT = 1.0

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

/**
 * Scores items by BM25 (Robertson et al., "Okapi at TREC-3", 1994), as Python does (task/search/lexical.py). A word counts once for an
 * item.
 *
 * Only items with one of the rarest words of a query are scored. The other words add to their scores.
 */
internal class LexicalSearch(private val index: LexicalIndex) {
    /** At most [CANDIDATES] items with the highest scores, of those allowed (null for all); equal scores come by item. */
    fun matches(text: String, allowed: BitSet?): List<WordMatch> {
        val known = words(text).distinct().map { index.postings(term(it)) }.filter { it.total > 0 }.sortedBy { it.total }
        val candidates = candidates(known, allowed)
        val rarity = known.map { ln(1 + (index.items - it.total + 0.5) / (it.total + 0.5)) }
        val found = ArrayList<WordMatch>()
        var item = candidates.nextSetBit(0)
        while (item >= 0) {
            var (score, count) = 0.0 to 0
            for (i in known.indices) {
                if (item in known[i]) {
                    score += rarity[i]
                    count++
                }
            }
            found += WordMatch(item, (score * weight(item)).toFloat(), count == known.size)
            item = candidates.nextSetBit(item + 1)
        }
        return found.sortedWith(compareBy({ -it.score }, { it.item })).take(CANDIDATES)
    }

    /** The items with one of the rarest words: those of as many words as keep them few, but of one at least. */
    private fun candidates(known: List<Postings>, allowed: BitSet?): BitSet {
        val taken = BitSet(index.items)
        var total = 0
        for (postings in known) {
            if (total > 0 && total + postings.total > FEW) break
            postings.each { item ->
                if (allowed == null || allowed[item]) {
                    taken.set(item)
                    total++
                }
            }
        }
        return taken
    }

    /** What the length of an item makes of the rarity of its words, in float32 as in Python. */
    private fun weight(item: Int): Float {
        val length = (1 - LENGTH_WEIGHT).toFloat() + (LENGTH_WEIGHT / index.meanLength).toFloat() * index.length(item)
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
