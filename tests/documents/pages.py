"""The documents and the blocks of code in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    ROOT / "android_demo" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# Stands directly above a block that `make test` does not run: which target does, and why.
MARK = re.compile(r"<!-- run by make ([a-z-]+): ([^\n]+) -->\n+ *\Z")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        place: Page and line, for messages.
        language: What stands behind the fence; empty where nothing does.
        text: The code.
        target: The make target that runs it.
        reason: Why it is not `test`; empty where it is.
    """

    place: str
    language: str
    text: str
    target: str
    reason: str

    def commands(self) -> list[list[str]]:
        """The words of each line of a shell block."""
        lines = self.text.replace("\\\n", " ").splitlines()
        split = [shlex.split(line, comments=True) for line in lines]
        return [words for words in split if words]


def name_of(page: Path) -> str:
    """What messages call a page."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    content = page.read_text(encoding="utf-8")
    for fence in FENCE.finditer(content):
        place = f"{name_of(page)}:{content.count(chr(10), 0, fence.start()) + 1}"
        mark = MARK.search(content, 0, fence.start())
        indent, language, text = fence.groups()
        text = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        yield Block(place, language, text, mark[1] if mark else "test", mark[2] if mark else "")


def prose(page: Path) -> str:
    """A page without its blocks and comments."""
    return re.sub(r"<!--.*?-->", "", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.DOTALL)


def spans(page: Path) -> list[str]:
    """What stands between backticks in the running text."""
    return re.findall(r"`([^`\n]+)`", prose(page))
