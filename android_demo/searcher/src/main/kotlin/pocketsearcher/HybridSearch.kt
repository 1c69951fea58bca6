package pocketsearcher

import java.util.BitSet
import java.util.TreeMap

/** Finds items by their words, alone or together with their embeddings. */
internal fun Engine.searchWords(text: String, request: Request, mode: Lexical): Answer {
    require(hasWords) { "$name: there is no index of words; build the file with --lexical, or leave lexical OFF." }
    val vector = embed(asked(text))
    val now = request.overlay
    val matches = lexical(now).matches(text, request.chosen)
    val distances = TreeMap<Int, Float>() // by item
    val count = maxOf(request.maxResults, LexicalSearch.CANDIDATES)
    val withWords = BitSet().apply { matches.forEach { set(it.item) } }
    distances += find(vector, withWords, count, now).pairs()
    if (mode == Lexical.AUTO && vector.any { it != 0f }) distances += find(vector, request.chosen, count, now).pairs()
    if (distances.isEmpty()) return Answer(emptyList(), emptyList())
    val scores = matches.associate { it.item to it.score.toDouble() }
    val byWords = distances.keys.map { scores[it] ?: 0.0 }
    val total = if (mode == Lexical.ONLY) byWords else fused(distances.values.map { it.toDouble() }, byWords)
    val named = matches.filter { it.whole && isName(String(metadata(it.item, now), Charsets.UTF_8), text) }.map { it.item }.toSet()
    val ordered = distances.entries.zip(total).sortedWith(compareBy({ it.first.key !in named }, { -it.second }))
    val curve = manifest.relevance["search_${Asked.TEXT}"]
    val neighbors = ordered.take(request.maxResults).map { (found, _) ->
        Neighbor(found.key, metadata(found.key, now), found.value, curve?.at(found.value))
    }
    if (curve == null) return Answer(neighbors, emptyList())
    val passes = neighbors.first().relevance!! >= curve.gate
    val (strong, weak) = neighbors.partition { passes && it.relevance!! >= curve.cut }
    return Answer(strong, weak)
}
