"""Downloads from Maven repositories, pinned by SHA-256 in `artifacts.lock`."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

CENTRAL = "https://repo.maven.apache.org/maven2"
GOOGLE = "https://maven.google.com"  # for androidx.test, which Robolectric needs; the app contains nothing of it
LOCK = Path(__file__).parent / "artifacts.lock"


@dataclass(frozen=True)
class Artifact:
    """A file of a Maven repository.

    Attributes:
        uses: Its purposes: `app`, `compiler`, `platform`, ….
        coordinate: `group:artifact:version`.
        type: `jar` or `aar`.
        sha256: Digest of the content.
    """

    uses: tuple[str, ...]
    coordinate: str
    type: str
    sha256: str

    @property
    def name(self) -> str:
        """The name of the file."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.{self.type}"

    @property
    def url(self) -> str:
        """The address of the file."""
        group, artifact, version = self.coordinate.split(":")
        repository = GOOGLE if group.startswith("androidx.") else CENTRAL
        return f"{repository}/{group.replace('.', '/')}/{artifact}/{version}/{self.name}"


def read_lock() -> list[Artifact]:
    """The artifacts in the lock file."""
    lines = [line.split() for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [Artifact(tuple(uses.split(",")), *coordinate.split("@"), sha256) for uses, coordinate, sha256 in lines]


def check_versions(dependencies: tuple[str, ...]) -> None:
    """Checks that Gradle and the lock file have the same versions."""
    locked = {artifact.coordinate.rpartition(":")[0]: artifact.coordinate for artifact in read_lock()}
    for wanted in dependencies:
        found = locked.get(wanted.rpartition(":")[0], wanted)
        if found != wanted:
            raise SystemExit(f"{LOCK}: has {found}, app/build.gradle.kts wants {wanted}; pin that version here, too")


def fetch(use: str, cache: Path) -> list[Path]:
    """Downloads the artifacts for a purpose, unless they are in the cache.

    Args:
        use: A purpose in the lock file.
        cache: Folder of downloads.

    Returns:
        The files, in the order of the lock file; for an `.aar`, its classes.
    """
    return [_classes(_fetch(artifact, cache)) for artifact in read_lock() if use in artifact.uses]


def fetch_archives(use: str, cache: Path) -> list[Path]:
    """The `.aar` files for a purpose."""
    return [_fetch(artifact, cache) for artifact in read_lock() if use in artifact.uses and artifact.type == "aar"]


def fetch_unpinned(coordinate: str, cache: Path) -> Path | None:
    """Downloads an `.aar` that is only needed to compile, checked by the SHA-1 in the repository.

    Returns:
        Its classes; None if the repository does not have it.
    """
    artifact = Artifact((), coordinate, "aar", "")
    path = cache / artifact.name
    if not path.is_file():
        try:
            content, expected = _read(artifact.url), _read(artifact.url + ".sha1").decode().split()[0]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise SystemExit(f"{artifact.url}: cannot be downloaded ({error})") from error
        if hashlib.sha1(content).hexdigest() != expected:
            raise SystemExit(f"{artifact.url}: its SHA-1 is not {expected}, as the repository says; it was changed or cut off")
        path.write_bytes(content)
    return _classes(path)


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=120) as response:
        return bytes(response.read())


def _fetch(artifact: Artifact, cache: Path) -> Path:
    path = cache / artifact.name
    if path.is_file() and _digest(path) == artifact.sha256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with urllib.request.urlopen(artifact.url, timeout=120) as response, open(temporary, "wb") as file:
            while block := response.read(1 << 20):
                file.write(block)
        found = _digest(temporary)
        if found != artifact.sha256:
            raise SystemExit(f"{artifact.url}: has SHA-256 {found}, expected {artifact.sha256} ({LOCK.name}); it was changed or cut off")
        os.replace(temporary, path)
    except urllib.error.URLError as error:
        raise SystemExit(f"{artifact.url}: cannot be downloaded ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _classes(path: Path) -> Path:
    """The classes of an `.aar`, beside it; any other file as it is."""
    if path.suffix != ".aar":
        return path
    classes = path.with_suffix(".classes.jar")
    with zipfile.ZipFile(path) as archive:
        classes.write_bytes(archive.read("classes.jar"))
    return classes
