"""An ARM64 Linux with CPython, NumPy and LiteRT in a folder, run by QEMU's user mode: packages of Debian 13 and wheels, nothing installed.

Debian's `Packages` lists the SHA-256 of each package; wheels are checked by pip. QEMU 10 is taken because 7.2 (Debian 12) crashes where
the folder has no ARM `/proc/cpuinfo`.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import platform
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

MIRROR = "https://deb.debian.org/debian/"
RELEASE = "trixie"
PYTHON = "3.13"
ROOT_PACKAGES = [
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5", "libssl3t64"),
    *(f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib"),
]
PLATFORMS = [f"manylinux_{version}_aarch64" for version in ("2_28", "2_27", "2_17")]
WHEELS = ["ai-edge-litert", "numpy"]
HOSTS = {"x86_64": "amd64", "AMD64": "amd64"}


class NoMachineError(Exception):
    """The machine cannot be put together here; the text says why."""


def machine(folder: Path) -> list[str]:
    """The command that runs its Python, made where it is missing.

    Raises:
        NoMachineError: This is no x86-64 Linux, or something cannot be fetched.
    """
    host = HOSTS.get(platform.machine())
    if host is None or sys.platform != "linux":
        raise NoMachineError(f"QEMU is fetched for x86-64 Linux; this is {platform.machine()} {sys.platform}")
    root, emulator, wheels = folder / "root", folder / "qemu-aarch64", folder / "site-packages"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        root.mkdir(parents=True)
        try:
            _install_packages(root)
            _install_emulator(emulator, host)
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise NoMachineError(f"{MIRROR} cannot be reached ({error})") from error
        _install_wheels(wheels)
        (folder / "installed").touch()
    return [str(emulator), "-L", str(root), "-E", f"PYTHONPATH={wheels}", str(root / "usr" / "bin" / f"python{PYTHON}")]


def _install_packages(root: Path) -> None:
    listed = _packages("arm64")
    for name in ROOT_PACKAGES:
        with _content(listed, name) as content:
            content.extractall(root, filter="tar")
    (root / "lib").symlink_to("usr/lib")


def _install_emulator(target: Path, host: str) -> None:
    with _content(_packages(host), "qemu-user") as content:
        packed = content.extractfile("./usr/bin/qemu-aarch64")
        if packed is None:
            raise NoMachineError("qemu-user has no usr/bin/qemu-aarch64")
        target.write_bytes(packed.read())
    target.chmod(0o755)


def _install_wheels(target: Path) -> None:
    where = [argument for name in PLATFORMS for argument in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), *where, "--python-version", PYTHON]
    done = subprocess.run([*command, "--only-binary", ":all:", *WHEELS], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoMachineError(f"pip install for aarch64 failed: {done.stderr.strip().splitlines()[-1]}")


def _packages(architecture: str) -> dict[str, dict[str, str]]:
    """The release's packages by name, each with the fields of its entry."""
    text = lzma.decompress(_fetch(f"dists/{RELEASE}/main/binary-{architecture}/Packages.xz")).decode()
    entries = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in text.split("\n\n") if block]
    return {entry["Package"]: entry for entry in entries}


def _content(listed: dict[str, dict[str, str]], name: str) -> tarfile.TarFile:
    """A package's files: a `.deb` is an `ar` archive whose member `data.tar.*` holds them."""
    package = _fetch(listed[name]["Filename"])
    if hashlib.sha256(package).hexdigest() != listed[name]["SHA256"]:
        raise NoMachineError(f"{name}: the package's SHA-256 is not the one that Debian lists")
    at = len("!<arch>\n")
    while at < len(package):
        member, size = package[at : at + 16].decode().strip(), int(package[at + 48 : at + 58])
        if member.startswith("data.tar"):
            return tarfile.open(fileobj=io.BytesIO(package[at + 60 : at + 60 + size]))
        at += 60 + size + size % 2
    raise NoMachineError(f"{name}: the package has no data.tar")


def _fetch(path: str) -> bytes:
    with urllib.request.urlopen(MIRROR + path, timeout=120) as answer:
        return bytes(answer.read())
