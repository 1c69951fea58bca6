"""Writes the site: the page, LiteRT.js, the searcher and the thumbnails."""

from __future__ import annotations

import filecmp
import hashlib
import json
import mmap
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.errors import BuildError, DataError
from maker.preview import media, thumbnails, vendor
from maker.progress import say
from maker.workspace import Rejects, atomic, claim_folder
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import item_table, manifest
from task.format.stored_rows import locate_rows
from task.search import GraphEngine

WEB = Path(__file__).parent / "web"
SEARCHER, SITE, REJECTS, START = "searcher.tflite", "site.json", "rejects.tsv", "index.html"
WORKER = "service-worker.js"
SHELL = (  # besides START and WORKER
    *("about.js", "added_facts.js", "address.js", "app.js", "archive.js", "arrays.js", "calls.js", "cards.js"),
    *("cells.js", "columns.js", "compose.js", "errors.js", "expressions.js", "facts.js", "filters.js", "finder.js"),
    *("given.js", "icon.svg", "items.js", "lexical.js", "lexical_file.js", "model.js", "moments.js", "nearest.js"),
    *("offline.js", "overlay.js", "overlay_file.js", "photo-worker.js", "photo_files.js", "photo_store.js"),
    *("photos.js", "photos_panel.js", "picture.js", "player.js", "query_picture.js", "relevance.js", "results.js", "rows.js"),
    *("searcher.js", "searcher_file.js", "selection.js", "sound.js", "start.js", "style.css", "where.js"),
    *("where_parser.js", "wording.js", "words.js", "worker.js"),
)
FORMAT, VERSION = "pocket-searcher-site", 1
# The page fetches one of the two wasm builds. The service worker keeps that one later, and not both from the start.
NOT_PRECACHED = ("_internal.js", "_internal.wasm")
PLACEHOLDER = 'const SITE = { version: "development", files: [] };'


@dataclass(frozen=True, kw_only=True)
class PreviewReport:
    """The result of `preview`.

    Attributes:
        site: The folder.
        items: Number of items in the searcher.
        made, kept: Number of thumbnails made now, and kept from an earlier run.
        rejects: Images without a thumbnail, with the reason; also written to `rejects.tsv`.
        bytes: Size of the site.
    """

    site: Path
    items: int
    made: int
    kept: int
    rejects: Rejects
    bytes: int


def preview(
    searcher: Path, images: Path | None, output: Path = Path("site"), *, overwrite: bool = False, player: media.Player | None = None
) -> PreviewReport:
    """Writes a static site that runs a searcher in the browser.

    `index.html` is written last, so a folder with it is a complete site. An interrupted run resumes.

    Args:
        searcher: The file.
        images: The folder that the items' paths are relative to; None for a searcher without items.
        output: The site's folder.
        overwrite: Replace an existing site; thumbnails whose images did not change are kept.
        player: The element that plays the videos or sounds in `images`, which are copied into the site; None to copy and play none.

    Raises:
        BuildError: LiteRT.js is not installed, or the output exists.
        DataError: The folder of images does not exist, none of the items' images is in it, or the file has no items for the page.
        SearcherError: The searcher cannot be opened.
        InvalidArgumentError: The file is not a searcher.
    """
    if missing := vendor.missing_files():
        raise BuildError(f"{vendor.FOLDER}: {missing[0]} is missing; fetch LiteRT.js with python -m maker.preview.vendor (needs npm)")
    metadata = _read_items(searcher)
    if metadata and images is None:
        raise DataError(f"{searcher}: has {len(metadata)} items; pass --images DIR, the folder that their paths are relative to")
    _claim(output, overwrite)
    made = thumbnails.make_thumbnails(metadata, images, output) if images else thumbnails.Thumbnails()
    made.rejects.write(output / REJECTS)
    if made.rejects.rows:
        say(f"{len(made.rejects.rows)} images have no thumbnail ({made.rejects.summary()}); see {output / REJECTS}")
    plays = _copy_media(metadata, images, output) if images and player else None
    if not plays:
        shutil.rmtree(output / media.FOLDER, ignore_errors=True)  # of the site that this one replaces
    _write_files(searcher, output, made, {"element": player, "suffixes": plays.suffixes} if plays else None)
    return PreviewReport(
        site=output,
        items=len(metadata),
        made=made.made,
        kept=made.kept,
        rejects=made.rejects,
        bytes=sum(p.stat().st_size for p in output.rglob("*") if p.is_file()),
    )


def _copy_media(metadata: list[bytes], folder: Path, output: Path) -> media.Media:
    copied = media.copy_media(metadata, folder, output)
    say(f"{output / media.FOLDER}: {copied.files} files to play, {copied.bytes / 1e6:.1f} MB")
    return copied


def _read_items(searcher: Path) -> list[bytes]:
    """The metadata of all items; fails if the page cannot run the file."""
    options = BaseOptions(str(searcher), num_threads=1)
    with ModelFile(options) as file:
        missing = [name for name in (manifest.FILE, item_table.OFFSETS) if name not in file.entries]
    if missing:
        raise DataError(f"{searcher}: has no {missing[0]}, which the page needs; build a searcher with maker build or maker index")
    engine = GraphEngine(options)
    try:
        return [engine.item(i) for i in range(engine.manifest.items)]
    finally:
        engine.close()


def _claim(output: Path, overwrite: bool) -> None:
    """Prepares the folder: it may be new, empty, a site to replace, or left by an interrupted run."""
    ours = _is_site(output / SITE)
    if ours and (output / START).exists() and not overwrite:
        raise BuildError(f"{output}: already contains a site; pass --overwrite to replace it (thumbnails are kept)")
    claim_folder(output, made_before=ours)
    claim_folder(output / thumbnails.FOLDER, made_before=ours)
    if (output / media.FOLDER).exists():
        claim_folder(output / media.FOLDER)


def is_site_of(output: Path, searcher: Path) -> bool:
    """Whether a folder is a complete site of this searcher."""
    kept = output / SEARCHER
    complete = _is_site(output / SITE) and (output / START).exists() and kept.exists()
    return complete and searcher.exists() and filecmp.cmp(kept, searcher, shallow=False)


def _is_site(description: Path) -> bool:
    """Whether a `site.json` is one that this module wrote."""
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _write_files(searcher: Path, output: Path, made: thumbnails.Thumbnails, plays: dict[str, Any] | None) -> None:
    (output / START).unlink(missing_ok=True)
    _copy(searcher, output / SEARCHER)
    for name in SHELL:
        _copy(WEB / name, output / name)
    for name in (*vendor.FILES.values(), "NOTICE.txt"):
        vendor.copy(name, output / "vendor" / "litert" / name)
    # Without this file, GitHub Pages runs Jekyll, which drops names that start with an underscore.
    (output / ".nojekyll").touch()
    _write(output / SITE, json.dumps(_describe(searcher, made, plays), indent=2) + "\n")
    _write(output / WORKER, _service_worker(output, made.stamp))
    _copy(WEB / START, output / START)


def _describe(searcher: Path, made: thumbnails.Thumbnails, plays: dict[str, Any] | None) -> dict[str, Any]:
    """Facts for the page that the searcher itself does not contain."""
    with open(searcher, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        rows = locate_rows(content)
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "title": searcher.stem.replace("_", " "),
        "searcher": {"bytes": searcher.stat().st_size},
        "thumbnails": {"folder": thumbnails.FOLDER, "suffix": thumbnails.SUFFIX, "count": made.made + made.kept},
        "media": {"folder": media.FOLDER, **plays} if plays else None,
        "rows": rows.describe() if rows else None,
    }


def _service_worker(output: Path, stamp: str) -> str:
    """The service worker, with the list of files it keeps and a version that changes with any of them."""
    kept = sorted(
        p.relative_to(output).as_posix()
        for p in (output / SITE, output / SEARCHER, *(output / n for n in SHELL), *(output / "vendor").rglob("*.js"))
        if not p.name.endswith(NOT_PRECACHED)
    )
    version = hashlib.sha256(stamp.encode())
    for path in (WEB / START, WEB / WORKER, *(output / name for name in kept)):
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                version.update(block)
    template = (WEB / WORKER).read_text(encoding="utf-8")
    if template.count(PLACEHOLDER) != 1:
        raise BuildError(f"{WEB / WORKER}: expected the line {PLACEHOLDER} once, found it {template.count(PLACEHOLDER)} times")
    site = json.dumps({"version": version.hexdigest()[:16], "files": ["./", *kept]})
    return template.replace(PLACEHOLDER, f"const SITE = {site};")


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
