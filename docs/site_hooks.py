"""Adds to the site the documents and the picture that lie at the top of the repository, so that each exists once."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PICTURE = "assets/contact_sheet.png"  # of the README, too
AT_THE_TOP = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds each as a page of its name in lower case."""
    for name in AT_THE_TOP:
        path = ROOT / name
        if path.exists():
            content = LINK.sub(_on_the_site, path.read_text(encoding="utf-8"))
            files.append(File.generated(config, name.lower(), content=content))
    files.append(File.generated(config, PICTURE, content=(ROOT / PICTURE).read_bytes()))
    return files


def _on_the_site(link: re.Match[str]) -> str:
    """A link to a document is one to its page; what is not on the site keeps its text only."""
    text, target = link.groups()
    path = target.partition("#")[0]
    if path in AT_THE_TOP:
        return f"[{text}]({target.replace(path, path.lower())})"
    return f"[{text}]({target.removeprefix('docs/')})" if path.startswith("docs/") else text
