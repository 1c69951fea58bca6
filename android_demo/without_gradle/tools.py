"""Runs compilers and the tools of Android."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

JDK = "openjdk-17-jdk-headless"
DEBIAN = {  # program: packages
    "aapt": "aapt",
    "apksigner": "apksigner",
    "gcc": "gcc libc6-dev",
    "java": JDK,
    "javac": JDK,
    "keytool": JDK,
    "zipalign": "zipalign",
}


def run(*command: object, log: Path | None = None, **variables: object) -> str:
    """Runs a command and returns its output. If it fails, prints the output and exits.

    Args:
        command: The program and its arguments.
        log: Where its stderr goes; among what it says where None.
        variables: Of its environment, besides ours.
    """
    words = [str(word) for word in command]
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    with open(log, "w", encoding="utf-8") if log else nullcontext(subprocess.STDOUT) as errors:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nfailed with {done.returncode}: {' '.join(words)[:400]}")
    return done.stdout


def java(
    jars: Sequence[Path], main: str, *arguments: object, options: Sequence[str] = (), log: Path | None = None, **variables: object
) -> str:
    """Runs a Java program; `log` and `variables` are those of `run`."""
    return run("java", "-Xmx1500m", *options, "-cp", class_path(jars), main, *arguments, log=log, **variables)


def class_path(jars: Sequence[Path]) -> str:
    """A Java class path."""
    return os.pathsep.join(map(str, jars))


def require_tools() -> None:
    """Checks that all programs are installed; if not, exits with the packages to install."""
    if missing := sorted({package for program, package in DEBIAN.items() if not shutil.which(program)}):
        raise SystemExit(f"missing programs: apt-get install --no-install-recommends {' '.join(missing)}")


def fresh(folder: Path) -> Path:
    """Creates an empty folder; an existing one is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
