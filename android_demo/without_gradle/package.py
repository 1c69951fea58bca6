"""Packages compiled classes and resources into an APK: shrunk, dexed, aligned, signed."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from artifacts import fetch, fetch_archives
from project import APP, Project
from tools import java, run

PASSWORD = "android"  # of the debug key, as in all Android builds
OLDEST = "platform-min"  # the classes of Android at minSdk, in the lock file
# Newer classes, which the app only uses on devices that have them, and its class that uses newer methods.
NEWER = "android.graphics.ImageDecoder*,pocketsearcher.demo.Newer"
DATE = (1980, 1, 1, 0, 0, 0)


def dex(classes: Sequence[Path], libraries: Sequence[Path], project: Project, work: Path, cache: Path) -> Path:
    """Shrinks the classes with ProGuard, which also converts the lambdas of the Kotlin library to classes, and dexes them.

    ProGuard fails for any reference that neither the app nor the oldest supported Android resolves, except those in NEWER.
    """
    (platform,) = fetch(OLDEST, cache)
    shrunk, output = work / "shrunk.jar", work / "classes.dex"
    inputs = "\n".join(f"-injars '{path}'(!META-INF/**)" for path in [*classes, *libraries])
    rules = f"""
{inputs}
-outjars '{shrunk}'
-libraryjars '{platform}'(!META-INF/**,**.class)
-libraryjars <java.home>/jmods/java.base.jmod(!**.jar;!module-info.class)
-libraryjars <java.home>/jmods/java.logging.jmod(!**.jar;!module-info.class)
-include '{APP / "proguard-rules.pro"}'
-target 1.7
-dontoptimize
-dontobfuscate
-dontnote
-dontwarn org.jetbrains.annotations.**
-dontwarn {NEWER}
-keepattributes *Annotation*,Signature,InnerClasses,EnclosingMethod,SourceFile,LineNumberTable
-keep class {project.namespace}.** {{ *; }}
-keep class {project.namespace.rpartition(".")[0]}.* {{ public *; }}
"""
    (work / "shrink.pro").write_text(rules, encoding="utf-8")
    shrunk.unlink(missing_ok=True)
    java(fetch("shrinker", cache), "proguard.ProGuard", f"@{work / 'shrink.pro'}")
    java(
        fetch("dexer", cache), "com.android.dx.command.Main", "--dex", f"--min-sdk-version={project.sdk_min}", f"--output={output}", shrunk
    )
    return output


def make_apk(resources: Path, dexed: Path, output: Path, work: Path, cache: Path) -> Path:
    """Adds everything to one file, aligns and signs it.

    Args:
        resources: The package of `compile_resources`.
        dexed: `classes.dex`.
        output: The APK.
        work: Folder for intermediate files.
        cache: Folder of downloads.
    """
    unsigned, aligned = work / "unsigned.apk", work / "aligned.apk"
    shutil.copyfile(resources, unsigned)
    with zipfile.ZipFile(unsigned, "a", zipfile.ZIP_DEFLATED) as apk:
        _add(apk, "classes.dex", dexed.read_bytes())
        for archive in fetch_archives("app", cache):
            with zipfile.ZipFile(archive) as aar:
                for name in sorted(n for n in aar.namelist() if n.startswith("jni/") and n.endswith(".so")):
                    _add(apk, name.replace("jni/", "lib/", 1), aar.read(name))
    run("zipalign", "-f", "-p", "4", unsigned, aligned)
    output.parent.mkdir(parents=True, exist_ok=True)
    run("apksigner", "sign", "--ks", _key(cache.parent), "--ks-pass", f"pass:{PASSWORD}", "--out", output, aligned)
    return output


def verify_apk(apk: Path, project: Project) -> list[str]:
    """Verifies the APK with the tools of Android, and checks that the searcher is uncompressed.

    Returns:
        Lines with the results.
    """
    run("zipalign", "-c", "-p", "4", apk)
    signed = run("apksigner", "verify", "--verbose", apk)
    badging = run("aapt", "dump", "badging", apk)
    expected = (f"package: name='{project.application_id}'", f"sdkVersion:'{project.sdk_min}'", "launchable-activity:", "native-code:")
    for start in expected:
        if not any(line.startswith(start) for line in badging.splitlines()):
            raise SystemExit(f"{apk}: aapt dump badging has no line {start}")
    with zipfile.ZipFile(apk) as archive:
        stored = [entry.filename for entry in archive.infolist() if entry.compress_type == zipfile.ZIP_STORED]
        searcher = [entry for entry in archive.infolist() if entry.filename == "assets/searcher.tflite"]
        if searcher and searcher[0].filename not in stored:
            raise SystemExit(f"{apk}: searcher.tflite is compressed, so it cannot be mapped")
    kept = [line for line in badging.splitlines() if line.startswith((*expected, "targetSdkVersion:"))]
    scheme = [line for line in signed.splitlines() if line.startswith("Verified using") and line.endswith("true")]
    return [*kept, *scheme, f"searcher.tflite: {f'{searcher[0].file_size:,} bytes, stored' if searcher else 'none'}"]


def _add(apk: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    apk.writestr(entry, content)


def _key(folder: Path) -> Path:
    """The debug key of this machine, created once."""
    path = folder / "debug.keystore"
    if not path.exists():
        name = ["-alias", "debug", "-dname", "CN=Android Debug,O=Android,C=US", "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000"]
        run("keytool", "-genkeypair", "-keystore", path, "-storepass", PASSWORD, "-keypass", PASSWORD, *name)
    return path
