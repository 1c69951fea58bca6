"""Measures the library with added items, on the JVM of this machine and the Android library of TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path

from android_runtime import build_runtime, runs_here
from artifacts import fetch
from compile import compile_kotlin
from project import library_sources
from tools import fresh, java

SOURCE = Path(__file__).parent / "benchmark" / "AddedBenchmark.kt"


def bench(build: Path, files: Path) -> str:
    """Compiles the library and the benchmark, and runs it.

    Args:
        build: Folder of downloads and results.
        files: What `benchmark/files.py` wrote.

    Returns:
        The figures, for people.
    """
    if not runs_here():
        raise SystemExit("the Android library of TensorFlow Lite runs on Linux on x86-64 only")
    cache, work = build / "downloads", fresh(build / "bench")
    (platform,), libraries, test_libraries = fetch("platform", cache), fetch("app", cache), fetch("test", cache)
    runtime = [*libraries, *test_libraries, platform]  # org.json among them
    library = compile_kotlin(library_sources(), [*libraries, platform], work / "library", cache, "-jvm-target", "17")
    classes = compile_kotlin([SOURCE], [library, *runtime], work / "classes", cache, "-jvm-target", "17", f"-Xfriend-paths={library}")
    android = build_runtime(work / "android_runtime", cache)
    main, options = "pocketsearcher.AddedBenchmarkKt", [f"-Djava.library.path={android}"]
    return java([classes, library, *runtime], main, files, options=options, log=work / "stderr.log", LD_LIBRARY_PATH=android)
