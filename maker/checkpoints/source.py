"""Where a checkpoint comes from: a folder, a hub, or a file of open_clip."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from maker.checkpoints import hub, hugging_face, open_clip, tensors
from maker.checkpoints.towers import Towers
from maker.encoders.weights import Weights
from maker.errors import EncoderError

HUB, OPEN_CLIP = "hf:", "open_clip:"
FORMS = f"a folder, {HUB}ORG/NAME[@REVISION], or {OPEN_CLIP}NAME=FILE.safetensors"
# Licences that do not allow what most people do with a searcher. What is looked for in the text of the licence, in lower case.
RESTRICTED = ("research", "apple-amlr", "apple-ascl", "cc-by-nc", "non-commercial", "noncommercial")


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from.

    Attributes:
        name: The spec, without folders, which belong to the machine.
        revision: The commit on the hub; empty for local files.
        license: The licence of the weights as the checkpoint's README has it; empty if it says none.
    """

    name: str
    revision: str
    license: str

    @property
    def restricted(self) -> bool:
        """Whether the licence allows research or other non-commercial use only."""
        return any(word in self.license.lower() for word in RESTRICTED)


def is_checkpoint(spec: str) -> bool:
    """Whether a spec is one of a checkpoint: a folder with a configuration, or of a form that only checkpoints have."""
    return spec.startswith((HUB, OPEN_CLIP)) or any(Path(spec, name).is_file() for name in (hugging_face.CONFIG, open_clip.CONFIG))


@dataclass(frozen=True)
class Located:
    """A checkpoint whose files are on this machine.

    Attributes:
        spec: As it was given; that of a hub has the commit in the place of the branch.
        folder: The folder with its files; None for `open_clip:`, which names a file.
        revision: The commit on the hub; empty for local files.
    """

    spec: str
    folder: Path | None
    revision: str = ""


def locate(spec: str, cache: Path | None = None) -> Located:
    """Finds a checkpoint, and downloads what is missing of one on a hub.

    Raises:
        EncoderError: It cannot be found or downloaded.
    """
    if spec.startswith(OPEN_CLIP):
        return Located(spec, None)
    if spec.startswith(HUB):
        folder, commit = hub.download(spec.removeprefix(HUB), cache)
        return Located(f"{spec.partition('@')[0]}@{commit}", folder, commit)
    if not Path(spec).is_dir():
        hint = f". On the hub, it is {HUB}{spec}" if re.fullmatch(r"[\w.-]+/[\w.-]+", spec) else ""
        raise EncoderError(f"model {spec!r}: no such folder; expected {FORMS}{hint}")
    return Located(spec, Path(spec))


def open_checkpoint(located: Located, weights: Weights) -> tuple[Towers, Source]:
    """The towers of a checkpoint, and where it comes from.

    Raises:
        EncoderError: It cannot be read.
    """
    folder, spec = located.folder, located.spec
    if folder is None:
        name, _, file = spec.removeprefix(OPEN_CLIP).partition("=")
        path = Path(file)
        if not file or not path.is_file():
            raise EncoderError(f"model {spec!r}: {'no such file' if file else 'no file named'}; expected {OPEN_CLIP}NAME=FILE.safetensors")
        source = Source(f"{OPEN_CLIP}{Path(name).name}={path.name}", "", _license(path.parent))
        return open_clip.read_open_clip_file(name, path, weights), source
    source = Source(spec.partition("@")[0] if located.revision else folder.resolve().name, located.revision, _license(folder))
    own = any((folder / file).is_file() for file in (tensors.WEIGHTS, tensors.INDEX))
    if (folder / open_clip.CONFIG).is_file() and not own:
        return open_clip.read_open_clip_folder(folder, weights), source
    return hugging_face.read_folder(folder, weights), source


def _license(folder: Path) -> str:
    """The licence in the head of a README.md, as the hub keeps it."""
    path = folder / "README.md"
    if not path.is_file():
        return ""
    head = re.match(r"---\s*\n(.*?)\n---", path.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    lines = head[1] if head else ""
    found = {key: re.search(rf"^{key}:\s*(.+?)\s*$", lines, re.MULTILINE) for key in ("license", "license_name")}
    names = [match[1].strip("'\"") for match in found.values() if match]
    return names[-1] if names else ""
