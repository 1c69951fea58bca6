"""Puts LiteRT.js where the page finds it: `python -m maker.preview.vendor`, run before a wheel is built. Needs npm.

The versions and their digests are those of `package-lock.json`; npm refuses anything else.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from maker.errors import BuildError
from maker.workspace import atomic

HERE = Path(__file__).parent
FOLDER = HERE / "web" / "vendor" / "litert"
PACKAGES = Path("node_modules", "@litertjs")
NAME, BESIDE = '"@litertjs/wasm-utils"', '"./wasm-utils.js"'
CHANGED = "// Changed by pocket-searcher: the import of @litertjs/wasm-utils names the file beside this one; workers have no import maps.\n"
# Place in the packages to name in the site. Of the wasm builds the page needs the one for a single thread and, for browsers without
# relaxed SIMD (Safari), the compatible one; `threaded` wants COOP and COEP, `jspi` serves accelerators only.
FILES = {
    "core/dist/index.js": "index.js",
    "wasm-utils/dist/index.js": "wasm-utils.js",
    "core/wasm/litert_wasm_internal.js": "litert_wasm_internal.js",
    "core/wasm/litert_wasm_internal.wasm": "litert_wasm_internal.wasm",
    "core/wasm/litert_wasm_compat_internal.js": "litert_wasm_compat_internal.js",
    "core/wasm/litert_wasm_compat_internal.wasm": "litert_wasm_compat_internal.wasm",
}
NOTICE = """LiteRT.js: @litertjs/core {core}, @litertjs/wasm-utils {utils}
Copyright Google LLC, licensed under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0).
Taken from the npm packages; index.js is changed in one place, which its first line names.
"""


def missing_files() -> list[str]:
    """The files of LiteRT.js that the page needs and this installation lacks."""
    return [name for name in FILES.values() if not held(name).is_file()]


def held(name: str) -> Path:
    """Where this installation holds a file of the site: wasm is packed, of 19 MB it makes 6."""
    return FOLDER / (f"{name}.gz" if name.endswith(".wasm") else name)


def copy(name: str, target: Path) -> None:
    """Writes a file of LiteRT.js into a site."""
    unpack = gzip.open if held(name).suffix == ".gz" else open
    with atomic(target) as temporary, unpack(held(name), "rb") as source, open(temporary, "wb") as copied:
        shutil.copyfileobj(source, copied)


def install() -> Path:
    """Fetches the locked packages and copies what the page needs.

    Returns:
        The folder with the files.

    Raises:
        BuildError: There is no npm, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm: not found; install Node.js 20 or newer, which brings it")
    with tempfile.TemporaryDirectory(prefix="maker-preview-") as place:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, place)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
            raise BuildError(f"{HERE / 'package-lock.json'}: npm ci failed: {reason}")
        _copy(Path(place) / PACKAGES)
    return FOLDER


def _copy(packages: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        content = (packages / source).read_bytes()
        held(name).write_bytes(gzip.compress(content, mtime=0) if held(name).suffix == ".gz" else content)
    # The source maps are not shipped, and a browser would look for them.
    for name in ("index.js", "wasm-utils.js"):
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("//# sourceMappingURL="))
        if name == "index.js":
            if text.count(NAME) != 1:
                raise BuildError(f"{FOLDER / name}: expected one import of {NAME}, found {text.count(NAME)}; adapt {__name__}")
            text = CHANGED + text.replace(NAME, BESIDE)
        (FOLDER / name).write_text(text, encoding="utf-8")
    versions = {name: _version(packages / name / "package.json") for name in ("core", "wasm-utils")}
    (FOLDER / "NOTICE.txt").write_text(NOTICE.format(core=versions["core"], utils=versions["wasm-utils"]), encoding="utf-8")


def _version(package: Path) -> str:
    import json

    return str(json.loads(package.read_text(encoding="utf-8"))["version"])


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{install()}\n")
    except BuildError as error:
        sys.exit(f"maker: error: {error}")
