"""Compiles, tests, measures and packages the app without Gradle: `python android_demo/without_gradle --help`.

It needs a JDK 17, gcc and the tools aapt, zipalign and apksigner of Debian. The rest comes from Maven repositories, pinned in
`artifacts.lock`.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from artifacts import check_versions, fetch
from bench import bench
from compile import check_task_library, compile_app, compile_resources
from library import publish
from package import dex, make_apk, verify_apk
from project import SOURCES, Project, read_project
from tools import fresh, require_tools
from unit_tests import run_tests


def main() -> None:
    """Runs the verb in the arguments."""
    parser = argparse.ArgumentParser(prog="without_gradle", description=__doc__)
    parser.add_argument("verb", choices=("apk", "test", "bench"))
    parser.add_argument("--build", type=Path, default=Path("build/android"), help="folder for downloads and results (default %(default)s)")
    parser.add_argument("--litert", type=Path, help="test: libLiteRt.so (default: that of the installed ai-edge-litert)")
    parser.add_argument("--fixtures", type=Path, help="test: folder that fixtures.py made (default: fixtures in --build)")
    parser.add_argument("--files", type=Path, help="bench: folder that benchmark/files.py made (default: bench-files in --build)")
    given = parser.parse_args()
    require_tools()
    project, build = read_project(), given.build.resolve()
    check_versions(project.dependencies)
    if given.verb == "apk":
        make(project, build)
    elif given.verb == "bench":
        say(bench(build, (given.files or build / "bench-files").resolve()))
    else:
        run_tests(project, build, (given.litert or installed_litert()).resolve(), (given.fixtures or build / "fixtures").resolve())


def installed_litert() -> Path:
    """The C library of LiteRT in the wheel."""
    found = find_spec("ai_edge_litert")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("ai-edge-litert is not installed; pass --litert libLiteRt.so")
    return Path(found.submodule_search_locations[0]) / "libLiteRt.so"


def make(project: Project, build: Path) -> None:
    """Publishes the library in `build/android/maven`, and builds `pocket-searcher.apk` of what `maker export-android` wrote."""
    cache, work = build / "downloads", fresh(build / "apk")
    (platform,), libraries = fetch("platform", cache), fetch("app", cache)
    resources = compile_resources(project, platform, SOURCES / "main" / "assets", work)
    say(f"library: {publish(platform, libraries, build / 'maven', work, cache)}")
    classes = compile_app("graph", platform, libraries, work, cache)
    dexed = dex([classes, work / "r"], libraries, project, work, cache)
    apk = make_apk(resources, dexed, build / "pocket-searcher.apk", work, cache)
    say(f"{apk}: {apk.stat().st_size / 1e6:.1f} MB")
    for line in verify_apk(apk, project):
        say(f"  {line}")
    say(check_task_library(project, platform, libraries, work, cache))


def say(text: str) -> None:
    """Prints a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
