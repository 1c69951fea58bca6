package pocketsearcher

import java.util.BitSet
import java.util.TreeMap

/** Finds items by their words, alone or together with their embeddings. */
internal fun Engine.searchWords(text: String, request: Request, mode: Lexical): Answer {
    require(hasWords) { "$name: there is no index of words; build the file with --lexical, or leave lexical OFF." }
    val vector = embed(asked(text))
    val matches = lexical.matches(text, request.chosen)
    val distances = TreeMap<Int, Float>() // by item
    val count = maxOf(request.maxResults, LexicalSearch.CANDIDATES)
    val withWords = BitSet(manifest.items).apply { matches.forEach { set(it.item) } }
    distances += exact.nearest(vector, withWords, count).pairs()
    if (mode == Lexical.AUTO && vector.any { it != 0f }) {
        val chosen = request.chosen ?: if (isInGraph(count)) null else everything()
        val nearest = chosen?.let { exact.nearest(vector, it, count) }
        distances += (nearest ?: graph.search("search_embedding", asked(vector).input, count, false).found).pairs()
    }
    if (distances.isEmpty()) return Answer(emptyList(), emptyList())
    val scores = matches.associate { it.item to it.score.toDouble() }
    val byWords = distances.keys.map { scores[it] ?: 0.0 }
    val total = if (mode == Lexical.ONLY) byWords else fused(distances.values.map { it.toDouble() }, byWords)
    val named = matches.filter { it.whole && isName(String(items[it.item], Charsets.UTF_8), text) }.map { it.item }.toSet()
    val ordered = distances.entries.zip(total).sortedWith(compareBy({ it.first.key !in named }, { -it.second }))
    val curve = manifest.relevance["search_${Asked.TEXT}"]
    val neighbors = ordered.take(request.maxResults).map { (found, _) ->
        Neighbor(found.key, items[found.key], found.value, curve?.at(found.value))
    }
    if (curve == null) return Answer(neighbors, emptyList())
    val passes = neighbors.first().relevance!! >= curve.gate
    val (strong, weak) = neighbors.partition { passes && it.relevance!! >= curve.cut }
    return Answer(strong, weak)
}
