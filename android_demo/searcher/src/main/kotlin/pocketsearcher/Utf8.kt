package pocketsearcher

private const val CONTINUATION_MASK = 0xc0
private const val CONTINUATION = 0x80

/** At most [maxBytes] bytes of UTF-8, cut between characters. An unpaired surrogate becomes a question mark. */
internal fun utf8(text: String, maxBytes: Int): ByteArray {
    val bytes = text.toByteArray(Charsets.UTF_8)
    var end = minOf(maxBytes, bytes.size)
    while (end < bytes.size && bytes[end].toInt() and CONTINUATION_MASK == CONTINUATION) end--
    return bytes.copyOf(end)
}
