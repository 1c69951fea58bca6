"""Runs the unit tests: the library with LiteRT and with the Android library of TensorFlow Lite, and the screen under Robolectric."""

from __future__ import annotations

import sys
from pathlib import Path

from android_runtime import build_runtime, runs_here
from artifacts import fetch
from compile import compile_app, compile_kotlin, compile_resources
from project import SOURCES, Project, kotlin_sources
from tools import fresh, java

INSTRUMENTED = "test-platform"  # the classes of Android, modified by Robolectric
ANDROID_ONLY = "pocketsearcher.TensorFlowLiteTest"
TENSORFLOW_LITE = "org.tensorflow:tensorflow-lite"
OPENED = ("java.lang", "java.io")  # the packages of the JDK that Robolectric opens


def run_tests(project: Project, build: Path, litert: Path, fixtures: Path) -> None:
    """Compiles the app and its tests, and runs the tests.

    Args:
        project: The app.
        build: Folder of downloads and results; screenshots come to lie in `screenshots/`.
        litert: LiteRT's C library.
        fixtures: What `fixtures.py` made.

    Raises:
        SystemExit: A test failed.
    """
    for path in (litert, fixtures / "expected.json"):
        if not path.exists():
            raise SystemExit(f"{path}: does not exist; make android makes the fixtures, pip install ai-edge-litert brings the library")
    cache, work = build / "downloads", fresh(build / "test")
    (platform,), libraries, test_libraries = fetch("platform", cache), fetch("app", cache), fetch("test", cache)
    (instrumented,) = fetch(INSTRUMENTED, cache)
    resources = compile_resources(project, platform, fixtures / "assets", work)
    classes = compile_app("graph", platform, libraries, work, cache)
    runtime = [classes, work / "r", *libraries, *test_libraries]
    sources = kotlin_sources("test")
    tests = compile_kotlin(sources, [*runtime, platform], work / "tests", cache, "-jvm-target", "17", f"-Xfriend-paths={classes}")
    configure_robolectric(project, resources, fixtures / "assets", tests)
    names = [".".join(p.relative_to(SOURCES / "test" / "kotlin").with_suffix("").parts) for p in sources if p.stem.endswith("Test")]
    if not runs_here():
        names.remove(ANDROID_ONLY)
        sys.stdout.write(f"{ANDROID_ONLY}: left out, it needs Linux on x86-64\n")
    android = build_runtime(work / "android_runtime", cache) if runs_here() else work
    output = java(
        [tests, SOURCES / "test" / "resources", *runtime, platform],
        "org.junit.runner.JUnitCore",
        *names,
        options=[
            f"-Dpocketsearcher.litert={litert}",
            f"-Dpocketsearcher.fixtures={fixtures}",
            f"-Dpocketsearcher.tensorflowlite={project.version_of(TENSORFLOW_LITE)}",
            f"-Djava.library.path={android}",
            f"-Dpocketsearcher.screenshots={fresh(build / 'screenshots')}",
            "-Drobolectric.offline=true",
            f"-Drobolectric.dependency.dir={instrumented.parent}",
            *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
        ],
        log=work / "stderr.log",  # LiteRT logs every step
        LD_LIBRARY_PATH=android,
    )
    (summary,) = (line for line in output.splitlines() if line.startswith("OK ("))
    sys.stdout.write(f"unit tests: {summary}\n")


def configure_robolectric(project: Project, resources: Path, assets: Path, tests: Path) -> None:
    """Writes the properties that the Gradle plugin passes to Robolectric."""
    folder = tests / "com" / "android" / "tools"
    folder.mkdir(parents=True)
    values = {
        "android_custom_package": project.namespace,
        "android_merged_manifest": resources.parent / "generated" / "AndroidManifest.xml",
        "android_merged_assets": assets,
        "android_resource_apk": resources,
    }
    (folder / "test_config.properties").write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
