"""Looks at whether a built site takes anything from another host: `python -m tests.documents.offline build/docs`.

Links that a reader may follow are fine; scripts, styles, pictures and fonts have to lie in the site.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

REMOTE = r"(?:https?:)?//[^\s\"'()>]+"
HTML = (
    re.compile(rf"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data|srcset)=[\"']?({REMOTE})"),
    re.compile(rf"<link\b(?![^>]*\brel=[\"']?(?:canonical|next|prev))[^>]*?\bhref=[\"']?({REMOTE})"),
)
CSS = (re.compile(rf"url\([\"']?({REMOTE})"), re.compile(rf"@import\s+[\"']({REMOTE})"))


def main(site: Path) -> int:
    """Prints what is taken from elsewhere; the exit status is 1 where there is something."""
    if not (site / "index.html").exists():
        sys.stderr.write(f"{site}: no site in it; make docs builds one\n")
        return 1
    found = sorted(set(remote_assets(site)))
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


def remote_assets(site: Path) -> Iterator[str]:
    """A line for each file and address of another host that it loads."""
    for suffix, patterns in ((".html", (*HTML, *CSS)), (".css", CSS)):
        for path in sorted(site.rglob(f"*{suffix}")):
            content = path.read_text(encoding="utf-8")
            for pattern in patterns:
                yield from (f"{path.relative_to(site)}: loads {match[1]}" for match in pattern.finditer(content))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
