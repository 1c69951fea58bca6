"""Compiles the resources and the Kotlin sources of the app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artifacts import CENTRAL, fetch, fetch_unpinned
from project import SOURCES, Project, kotlin_sources
from tools import class_path, fresh, java, run

TASK_TEXT = "org.tensorflow:tensorflow-lite-task-text"
COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
# The dexer does not support invokedynamic, so lambdas become classes. Gradle compiles for Java 8, too.
ANDROID = ("-jvm-target", "1.8", "-Xjdk-release=1.8", "-Xlambdas=class", "-Xsam-conversions=class", "-Xstring-concat=inline")


def compile_resources(project: Project, platform: Path, assets: Path, work: Path) -> Path:
    """Packs resources and assets with aapt and writes `R.java`.

    Args:
        project: The app.
        platform: Classes and resources of Android.
        assets: The assets of the app; the folder may be missing.
        work: Folder for results.

    Returns:
        The package: compiled resources, manifest and assets, with the searcher uncompressed.
    """
    generated = fresh(work / "generated")
    manifest = (SOURCES / "main" / "AndroidManifest.xml").read_text(encoding="utf-8")
    # The Gradle plugin writes this into the manifest: the package, and to unpack native libraries (see useLegacyPackaging).
    manifest = manifest.replace("<manifest ", f'<manifest package="{project.namespace}" ', 1)
    manifest = manifest.replace("<application", '<application\n        android:extractNativeLibs="true"', 1)
    (generated / "AndroidManifest.xml").write_text(manifest, encoding="utf-8")
    package = work / "resources.apk"
    numbers = ["--min-sdk-version", project.sdk_min, "--target-sdk-version", project.sdk_target]
    numbers += ["--version-code", project.version_code, "--version-name", project.version_name]
    given = ["-A", assets] if assets.is_dir() else []
    run(
        *("aapt", "package", "-f", "-m", "-J", generated, "-M", generated / "AndroidManifest.xml", "-S", SOURCES / "main" / "res"),
        *("-I", platform, "-F", package, "-0", "tflite", "-0", "webp", "--ignore-assets", project.ignore_assets),
        *("--rename-manifest-package", project.application_id, *numbers, *given),
    )
    classes = fresh(work / "r")
    run("javac", "-nowarn", "-Xlint:-options", "--release", "8", "-d", classes, *generated.rglob("R.java"))
    return package


def compile_kotlin(sources: Sequence[Path], class_folders: Sequence[Path], output: Path, cache: Path, *options: str) -> Path:
    """Compiles Kotlin sources; warnings are errors.

    Args:
        sources: The files.
        class_folders: Folders and jars to compile against.
        output: Folder for the classes.
        cache: Folder of downloads.
        options: Further options of the compiler.
    """
    arguments = ["-no-stdlib", "-no-reflect", "-Werror", "-d", fresh(output), "-classpath", class_path(class_folders), *options]
    java(fetch("compiler", cache), COMPILER, *arguments, *sources)
    return output


def compile_app(flavor: str, platform: Path, libraries: Sequence[Path], work: Path, cache: Path) -> Path:
    """Compiles a flavour of the app, against the resources of `compile_resources`."""
    against = [*libraries, platform, work / "r"]
    return compile_kotlin(kotlin_sources("main", flavor), against, work / f"classes-{flavor}", cache, *ANDROID)


def check_task_library(project: Project, platform: Path, libraries: Sequence[Path], work: Path, cache: Path) -> str:
    """Compiles the flavour that uses the Task Library, against that library.

    Returns:
        A line that says whether it could be compiled.
    """
    coordinate = f"{TASK_TEXT}:{project.version_of(TASK_TEXT)}"
    classes = fetch_unpinned(coordinate, cache)
    if classes is None:
        return f"flavour taskLibrary: not compiled, {CENTRAL} has no {coordinate}"
    compile_app("taskLibrary", platform, [*libraries, *fetch("task-library", cache), classes], work, cache)
    return f"flavour taskLibrary: compiles against {coordinate}"
