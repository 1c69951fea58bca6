"""Texts that tokenizers stumble over, always the same: what a graph is compared with its library on, besides captions."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

EMOJI = [
    "\U0001f600",
    "\U0001f44d\U0001f3fd",  # a skin tone
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family, joined
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f1e9\U0001f1ea",  # a flag
    "\u2764\ufe0f",
    "1\ufe0f\u20e3",
]
ENGLISH = [
    *("a", "the", "dog", "cats", "running", "quickly", "Un-believable", "red-and-blue", "snow", "white", "beach."),
    *("Two,", "kids?", "playing!", "Mr.", "O'Neil's", "it's", "don't", "we're"),
]
WORLD = [
    "собака",
    "κύων",
    "ΟΔΟΣ",
    "犬",
    "黑猫",
    "ねこ",
    "ネコ",
    "고양이",
    "قطة",
    "कुत्ता",
    "แมว",
    "İstanbul",
    "straße",
    "Việt",
    "naïve",
    "Åse",
    "Žižek",
]
CONTRACTIONS = [
    "don't",
    "I'm",
    "we're",
    "they've",
    "he'll",
    "she'd",
    "it's",
    "'s",
    "''s",
    "'S",
    "'tis",
    "y'all'd've",
    "'re're",
    "it\u2019s",
    "'",
    "''",
    "'r e",
]
NUMBERS = ["0", "42", "1,000.50", "3.14", "x2y3", "\u00bd", "\u00b2\u00b3", "\u0663\u0664", "\u216b", "2024-05-01"]
CONTROLS = ["\t", "\r\n", "\x07", "\x7f", "\x85", "\u00a0", "\u200b", "\u200d", "\u2028", "\ufeff", "\u00ad", "\ufffd", " ", "a", "Word"]


def adversarial_texts(count: int, seed: int = 15) -> list[str | bytes]:
    """Texts of twenty kinds in turn; some are bytes that are no UTF-8."""
    r = random.Random(seed)
    assigned = [c for c in range(0x20, 0x30000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")]

    def between(low: int, high: int) -> str:
        return chr(r.randint(low, high))

    def some(most: int, *choices: Callable[[], str]) -> str:
        return "".join(r.choice(choices)() for _ in range(r.randint(1, most)))

    def sentence() -> str:
        return " ".join(r.choice(ENGLISH) for _ in range(r.randint(1, 18)))

    def damaged() -> bytes:
        kind = r.randrange(3)
        if kind == 0:
            return bytes(r.randint(1, 255) for _ in range(r.randint(1, 60)))
        whole = " ".join(r.choice(WORLD + EMOJI) for _ in range(r.randint(1, 8))).encode()
        if kind == 1:
            return whole[: r.randint(1, len(whole))]
        broken = bytearray(whole)
        broken[r.randrange(len(broken))] = r.randint(1, 255)
        return bytes(broken)

    kinds: list[Callable[[], str | bytes]] = [
        sentence,
        damaged,
        lambda: some(40, lambda: chr(r.choice(assigned))),
        lambda: some(40, lambda: between(0x20, 0x2FFF)),
        lambda: some(60, lambda: between(0x20, 0x24F), lambda: between(0x1E00, 0x1EFF)),
        lambda: some(20, lambda: r.choice(EMOJI), lambda: " ", lambda: between(0x1F300, 0x1FAFF), lambda: r.choice("abc")),
        lambda: some(40, lambda: r.choice("aeiouncsAEz "), lambda: between(0x300, 0x36F)),
        lambda: "e" + some(60, lambda: between(0x300, 0x36F)),
        lambda: unicodedata.normalize("NFD", " ".join(r.choice(WORLD) for _ in range(r.randint(1, 8)))),
        lambda: some(15, lambda: r.choice(WORLD), lambda: " ", lambda: r.choice("-1,")),
        lambda: some(80, lambda: between(0xAC00, 0xD7A3), lambda: between(0xAC00, 0xD7A3), lambda: between(0x1100, 0x11FF), lambda: " "),
        lambda: "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(60, 250))),
        lambda: r.choice(["a", "ha", "0", "!", "=", ".-", "the", "嘛", "\U0001f600", "\u200d", " a"]) * r.randint(2, 200),
        lambda: some(30, lambda: r.choice(CONTROLS)),
        lambda: " ".join(r.choice(NUMBERS) for _ in range(r.randint(1, 10))),
        lambda: r.choice(["", " "]).join(r.choice([*CONTRACTIONS, "a", "s", "!"]) for _ in range(r.randint(1, 10))),
        lambda: some(
            40, lambda: between(0x21, 0x40), lambda: between(0x5B, 0x60), lambda: between(0x2010, 0x2060), lambda: r.choice(["a", "b "])
        ),
        lambda: some(30, lambda: between(0xFF01, 0xFFDC), lambda: between(0x3300, 0x33FF), lambda: between(0x1D400, 0x1D7FF), lambda: " "),
        lambda: "".join(c.upper() if r.random() < 0.3 else c for c in sentence()),
        lambda: sentence().replace(" ", r.choice(["", "  ", "\u3000", "\n"])),
    ]
    return [kinds[number % len(kinds)]() for number in range(count)]
