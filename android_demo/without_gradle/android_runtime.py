"""TensorFlow Lite's Android library on this machine, over a small stand-in for Android's C library (`bionic/`)."""

from __future__ import annotations

import platform
import zipfile
from pathlib import Path

from artifacts import fetch_archives
from tools import fresh, run

SOURCE = Path(__file__).parent / "bionic"
ABI, LIBRARY = "x86_64", "libtensorflowlite_jni.so"
EMPTY = ("libm.so", "libdl.so", "liblog.so")  # what they have is in libc.so, too


def runs_here() -> bool:
    """Whether this machine can: the stand-in is for glibc on x86-64."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def build_runtime(folder: Path, cache: Path) -> Path:
    """Writes the library and what it is linked to into a folder, for Java's library path and the loader's.

    Args:
        folder: Made anew.
        cache: Folder of downloads.
    """
    fresh(folder)
    for archive in fetch_archives("app", cache):
        with zipfile.ZipFile(archive) as aar:
            if f"jni/{ABI}/{LIBRARY}" in aar.namelist():
                (folder / LIBRARY).write_bytes(aar.read(f"jni/{ABI}/{LIBRARY}"))
    compiler = ("gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror")
    versions = f"-Wl,-soname,libc.so,--version-script={SOURCE / 'bionic.map'}"
    run(*compiler, "-o", folder / "libc.so", SOURCE / "bionic.c", versions, "-lm")
    for name in EMPTY:
        run(*compiler, "-o", folder / name, f"-Wl,-soname,{name}")
    return folder
