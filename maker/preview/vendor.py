"""Fetches LiteRT.js for the page: run `python -m maker.preview.vendor` before building a wheel. Needs npm.

`package-lock.json` fixes versions and digests; npm refuses anything else.
"""

from __future__ import annotations

import lzma
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
IMPORT, RELATIVE_IMPORT = '"@litertjs/wasm-utils"', '"./wasm-utils.js"'
CHANGED = "// Changed by pocket-searcher: @litertjs/wasm-utils is imported from this folder, because workers have no import maps.\n"
# Path in the packages to name in the site. The page needs two wasm builds: the single-threaded one, and the compatible one for browsers
# without relaxed SIMD (Safari). It does not need `threaded`, which requires COOP and COEP headers, and `jspi`, which is for accelerators.
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
Taken from the npm packages; index.js is changed in one place, as its first line says.
"""


def missing_files() -> list[str]:
    """The files of LiteRT.js that this installation lacks."""
    return [name for name in FILES.values() if not packed_path(name).is_file()]


def packed_path(name: str) -> Path:
    """The path of a site file in this installation; wasm and its loaders are compressed, from 20 to 4 MB."""
    return FOLDER / (f"{name}.xz" if name.startswith("litert_wasm") else name)


def copy(name: str, target: Path) -> None:
    """Writes a file of LiteRT.js into a site."""
    unpack = lzma.open if packed_path(name).suffix == ".xz" else open
    with atomic(target) as temporary, unpack(packed_path(name), "rb") as source, open(temporary, "wb") as copied:
        shutil.copyfileobj(source, copied)


def install() -> Path:
    """Fetches the locked packages and copies the files that the page needs.

    Returns:
        The folder with the files.

    Raises:
        BuildError: npm is not installed or failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm: not found; install Node.js 20 or newer, which includes it")
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
    shutil.rmtree(FOLDER, ignore_errors=True)  # what another release fetched
    FOLDER.mkdir(parents=True)
    for source, name in FILES.items():
        content = (packages / source).read_bytes()
        packed_path(name).write_bytes(
            lzma.compress(content, preset=9 | lzma.PRESET_EXTREME) if packed_path(name).suffix == ".xz" else content
        )
    # Source maps are not shipped, and a browser would request them.
    for name in ("index.js", "wasm-utils.js"):
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("//# sourceMappingURL="))
        if name == "index.js":
            if text.count(IMPORT) != 1:
                raise BuildError(f"{FOLDER / name}: expected one import of {IMPORT}, found {text.count(IMPORT)}; adapt {__name__}")
            text = CHANGED + text.replace(IMPORT, RELATIVE_IMPORT)
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
