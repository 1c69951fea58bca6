"""Runs the Android library of TensorFlow Lite on this machine, with a small replacement for the C library of Android (`bionic/`)."""

from __future__ import annotations

import platform
import zipfile
from pathlib import Path

from artifacts import fetch_archives
from tools import fresh, run

SOURCE = Path(__file__).parent / "bionic"
ABI, LIBRARY = "x86_64", "libtensorflowlite_jni.so"
EMPTY = ("libm.so", "libdl.so", "liblog.so")  # libc.so has their functions, too


def runs_here() -> bool:
    """Whether this machine can run it: the replacement needs glibc on x86-64."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def build_runtime(folder: Path, cache: Path) -> Path:
    """Writes the library and its dependencies to a folder, for the library paths of Java and the loader.

    Args:
        folder: The folder, which is replaced.
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
