"""Packs the module `searcher` as an AAR in a local Maven repository, and compiles an app against it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from compile import ANDROID, compile_kotlin
from project import LIBRARY, Library, library_sources, read_library
from tools import fresh

DATE = (1980, 1, 1, 0, 0, 0)
# What an app writes that depends on the module: only what is public.
APP = """
package consumer

import android.content.Context
import android.graphics.Bitmap
import pocketsearcher.Searcher

fun names(context: Context, sentence: String): List<String> {
    val searcher = Searcher.open(context.assets, "searcher.tflite")
    try {
        return searcher.search(sentence).neighbors.map { it.text }
    } finally {
        searcher.close()
    }
}

class MyPhotos(private val context: Context) {
    private val overlay = context.filesDir.resolve("photos.overlay")
    val searcher = Searcher.open(context.assets, "empty.tflite", overlay = overlay.takeIf { it.exists() })
    private val embedder = Searcher.open(context.assets, "empty.tflite")

    fun add(name: String, bitmap: Bitmap, modified: Long) {
        val known = (0 until searcher.items).filter { searcher.has(it) && searcher.factsOf(it)["modified"] == modified.toDouble() }
        known.forEach(searcher::remove)
        searcher.add(embedder.embed(bitmap), name, mapOf("modified" to modified))
        searcher.saveOverlay(overlay)
    }
}
"""


def publish(platform: Path, libraries: Sequence[Path], repository: Path, work: Path, cache: Path) -> Path:
    """Compiles the module alone, packs it, and compiles an app of a few lines against what was packed.

    Args:
        platform: Classes of Android.
        libraries: What the module depends on.
        repository: The folder of the Maven repository; it is replaced.
        work: Folder for results.
        cache: Folder of downloads.

    Returns:
        The AAR.
    """
    library = read_library()
    classes = compile_kotlin(library_sources(), [*libraries, platform], work / "library", cache, *ANDROID)
    folder = fresh(repository) / library.group.replace(".", "/") / library.artifact / library.version
    folder.mkdir(parents=True)
    name = f"{library.artifact}-{library.version}"
    jar = work / "classes.jar"
    _zip(jar, {path.relative_to(classes).as_posix(): path.read_bytes() for path in sorted(classes.rglob("*")) if path.is_file()})
    aar = folder / f"{name}.aar"
    manifest = f'<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="{library.namespace}">\n'
    manifest += f'    <uses-sdk android:minSdkVersion="{library.sdk_min}" />\n</manifest>\n'
    content = {"AndroidManifest.xml": manifest.encode(), "classes.jar": jar.read_bytes(), "R.txt": b""}
    _zip(aar, {**content, "proguard.txt": (LIBRARY / "consumer-rules.pro").read_bytes()})
    sources = LIBRARY / "src" / "main" / "kotlin"
    _zip(folder / f"{name}-sources.jar", {path.relative_to(sources).as_posix(): path.read_bytes() for path in library_sources()})
    (folder / f"{name}.pom").write_text(_pom(library), encoding="utf-8")
    _compile_app(aar, [*libraries, platform], work, cache)
    return aar


def _compile_app(aar: Path, class_folders: Sequence[Path], work: Path, cache: Path) -> None:
    consumer = fresh(work / "consumer")
    with zipfile.ZipFile(aar) as packed:
        packed.extract("classes.jar", consumer)
    (consumer / "App.kt").write_text(APP, encoding="utf-8")
    compile_kotlin([consumer / "App.kt"], [consumer / "classes.jar", *class_folders], work / "consumer-classes", cache, *ANDROID)


def _pom(library: Library) -> str:
    dependencies = "".join(
        f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version><scope>compile</scope>"
        "</dependency>\n"
        for group, artifact, version in (coordinate.split(":") for coordinate in library.dependencies)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>{library.group}</groupId>
  <artifactId>{library.artifact}</artifactId>
  <version>{library.version}</version>
  <packaging>aar</packaging>
  <dependencies>
{dependencies}  </dependencies>
</project>
"""


def _zip(path: Path, files: dict[str, bytes]) -> None:
    """Writes files with one date, so that the same content gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)
