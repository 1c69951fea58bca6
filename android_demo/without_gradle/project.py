"""Reads the Gradle files, so that versions are written only once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
SOURCES = APP / "src"
LIBRARY = ROOT / "searcher"  # the module for other apps; the app compiles its sources


@dataclass(frozen=True)
class Project:
    """The app as `app/build.gradle.kts` describes it.

    Attributes:
        namespace: Package of the app's own classes and of its resources.
        application_id: What the device calls the app.
        sdk_compile, sdk_min, sdk_target: API levels.
        version_code, version_name: Of the app.
        ignore_assets: Which assets are left out, in aapt's words.
        dependencies: `group:artifact:version` of all flavours.
    """

    namespace: str
    application_id: str
    sdk_compile: str
    sdk_min: str
    sdk_target: str
    version_code: str
    version_name: str
    ignore_assets: str
    dependencies: tuple[str, ...]

    def version_of(self, library: str) -> str:
        """The version of a dependency, `group:artifact`."""
        (found,) = (name.rpartition(":")[2] for name in self.dependencies if name.rpartition(":")[0] == library)
        return found


def read_project() -> Project:
    """Reads the Gradle file of the app."""
    text = (APP / "build.gradle.kts").read_text(encoding="utf-8")

    def value(name: str) -> str:
        found = re.findall(rf'^\s*{name} = "?([^"\n]+)"?$', text, re.MULTILINE)
        if len(found) != 1:
            raise SystemExit(f"{APP / 'build.gradle.kts'}: says {name} {len(found)} times, expected once")
        return str(found[0])

    return Project(
        namespace=value("namespace"),
        application_id=value("applicationId"),
        sdk_compile=value("compileSdk"),
        sdk_min=value("minSdk"),
        sdk_target=value("targetSdk"),
        version_code=value("versionCode"),
        version_name=value("versionName"),
        ignore_assets=value("ignoreAssetsPattern"),
        dependencies=tuple(re.findall(r'[iI]mplementation"?\("([^"]+)"\)', text)),
    )


def kotlin_sources(*names: str) -> list[Path]:
    """The Kotlin files of source sets such as `main` or `graph`; those of the library belong to `main`."""
    own = [path for name in names for path in (SOURCES / name / "kotlin").rglob("*.kt")]
    return sorted([*own, *(library_sources() if "main" in names else [])])


def library_sources() -> list[Path]:
    """The Kotlin files of the library."""
    return sorted((LIBRARY / "src" / "main" / "kotlin").rglob("*.kt"))


@dataclass(frozen=True)
class Library:
    """The module `searcher` as its Gradle file describes it.

    Attributes:
        group, artifact, version: Its coordinate.
        namespace: Its package.
        sdk_min: The oldest API level.
        dependencies: `group:artifact:version` of what it brings.
    """

    group: str
    artifact: str
    version: str
    namespace: str
    sdk_min: str
    dependencies: tuple[str, ...]


def read_library() -> Library:
    """Reads the Gradle file of the library."""
    text = (LIBRARY / "build.gradle.kts").read_text(encoding="utf-8")

    def value(name: str) -> str:
        (found,) = re.findall(rf'^\s*{name} = "?([^"\n]+)"?$', text, re.MULTILINE)
        return str(found)

    (kotlin,) = re.findall(r'"org.jetbrains.kotlin.android"\) version "([^"]+)"', (ROOT / "build.gradle.kts").read_text(encoding="utf-8"))
    return Library(
        group=value("groupId"),
        artifact=value("artifactId"),
        version=value("version"),
        namespace=value("namespace"),
        sdk_min=value("minSdk"),
        dependencies=(*re.findall(r'api\("([^"]+)"\)', text), f"org.jetbrains.kotlin:kotlin-stdlib:{kotlin}"),
    )
