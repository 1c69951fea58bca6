package pocketsearcher

import org.junit.Assert.assertEquals
import org.junit.Test

class Utf8Test {
    @Test
    fun `text is cut between characters`() {
        assertEquals("a", String(utf8("aé", 2), Charsets.UTF_8))
        assertEquals("aé", String(utf8("aé", 3), Charsets.UTF_8))
        assertEquals("猫", String(utf8("猫猫", 5), Charsets.UTF_8))
        assertEquals("", String(utf8("\uD83D\uDC31", 3), Charsets.UTF_8))
    }

    @Test
    fun `half a pair of surrogates becomes a question mark`() = assertEquals("a?b", String(utf8("a\uD83Db", 9), Charsets.UTF_8))
}
