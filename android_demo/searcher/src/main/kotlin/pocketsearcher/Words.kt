package pocketsearcher

import java.text.Normalizer
import java.util.Locale

private val RUN = Regex("[\\p{L}\\p{N}]+")

// Scripts that are written without spaces between words: Thai to Khmer, kana, Han (Unicode blocks).
private val UNSPACED = Regex(
    "[\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\x{20000}-\\x{3ffff}]+",
)

/**
 * The words of a text in order, in lower case and without accents, as the lexical index counts them (docs/format.md).
 *
 * A word is a run of letters and digits. A run in a script that is written without spaces gives its pairs of neighbouring characters.
 */
internal fun words(text: String): List<String> {
    val lower = Normalizer.normalize(text, Normalizer.Form.NFKD).lowercase(Locale.ROOT)
    val plain = StringBuilder().apply {
        for (character in lower.characters()) {
            if (Character.getType(character.codePointAt(0)) != Character.NON_SPACING_MARK.toInt()) append(character)
        }
    }
    return RUN.findAll(plain).flatMap { run ->
        val found = ArrayList<String>()
        var at = 0
        for (match in UNSPACED.findAll(run.value)) {
            found += run.value.substring(at, match.range.first)
            val characters = match.value.characters()
            found += if (characters.size == 1) characters else characters.zipWithNext { first, second -> first + second }
            at = match.range.last + 1
        }
        found += run.value.substring(at)
        found.filter { it.isNotEmpty() }
    }.toList()
}

/** The characters of a text; a surrogate pair is one. */
private fun String.characters(): List<String> {
    val found = ArrayList<String>()
    var at = 0
    while (at < length) {
        val end = at + Character.charCount(codePointAt(at))
        found += substring(at, end)
        at = end
    }
    return found
}

/** The number of a word in the index: FNV-1a of 32 bits over its UTF-8 bytes (Fowler, Noll, Vo). */
internal fun term(word: String): Int =
    word.toByteArray().fold(0x811c9dc5.toInt()) { value, byte -> (value xor (byte.toInt() and 0xff)) * 0x01000193 }

/** Whether a text is the file name in the metadata of an item, with or without its folder and its extension, whatever the case. */
internal fun isName(metadata: String, text: String): Boolean {
    val name = metadata.substringAfterLast('/')
    val wanted = words(text)
    return wanted.isNotEmpty() && wanted in listOf(words(metadata), words(name), words(name.substringBeforeLast('.', "")))
}

/** The numbers of the words of an item, as unsigned numbers ascending: those in its metadata, texts and tags among its facts, and captions. */
internal fun termsOf(metadata: ByteArray, facts: Map<String, Any>, captions: Iterable<String>): IntArray {
    val texts = captions + String(metadata, Charsets.UTF_8) + facts.values.flatMap { value ->
        if (value is String) listOf(value) else (value as? List<*>).orEmpty().map { it as String }
    }
    return texts.flatMap(::words).map(::term).distinct().sortedBy { it.toLong() and 0xffffffffL }.toIntArray()
}
