"""Where a searcher is asked: virtual environments with other runtimes, LiteRT.js in Node, and an ARM64 machine emulated by QEMU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.portable import aarch64
from tests.pythons import find_python

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ASK = HERE / "ask.py"
LITERT_JS = ROOT / "maker" / "preview"
NODE = 20  # the oldest that LiteRT.js was tried with
RELAXED_SIMD = "--experimental-wasm-relaxed-simd"  # newer ones have it without being asked
OLD_TENSORFLOW = "2.4.0"  # what `min_runtime_version` of a file with a text tower says
ARM = {"cortex-a72": "Cortex-A72 (Raspberry Pi 4)", "cortex-a76": "Cortex-A76 (Raspberry Pi 5)"}
LEGACY = [f"tensorflow-cpu=={OLD_TENSORFLOW}", "protobuf<3.21", "setuptools<66", "wheel"]


class Unavailable(Exception):
    """An environment cannot be made here; the text says why."""


@dataclass(frozen=True)
class Environment:
    """A runtime.

    Attributes:
        name: What the table calls it.
        make: Makes it in a folder of its own where it is missing; returns the command that takes a searcher's path and golden queries.
        variables: Environment variables that the command needs.
        notes: What the table says of it.
    """

    name: str
    make: Callable[[Path], list[str]]
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def counts_as_tensorflow(self) -> bool:
        """Whether its versions are TensorFlow's releases, which a file's `min_runtime_version` is one of."""
        return self.name.startswith(("tflite-runtime", "tensorflow"))


def environments() -> list[Environment]:
    """All of them; `tensorflow` is the one that the builder has installed."""
    return [
        Environment("ai-edge-litert, newest", _virtual("ai_edge_litert", ["ai-edge-litert", "numpy"], "3.13", "3.12", "3.11", "3.10")),
        Environment("ai-edge-litert", _virtual("ai_edge_litert", ["ai-edge-litert==1.4.0", "numpy<2.3"], "3.11", "3.12", "3.10", "3.9")),
        Environment("tflite-runtime", _virtual("tflite_runtime", ["tflite-runtime==2.14.0", "numpy<2"], "3.11", "3.10", "3.9")),
        Environment("tflite-runtime", _virtual("tflite_runtime", ["tflite-runtime==2.7.0", "numpy<2"], "3.9", "3.8")),
        Environment("tensorflow, tf.lite", lambda folder: [sys.executable, str(ASK), "tensorflow"]),
        Environment("tensorflow, tf.lite", _virtual("tensorflow", LEGACY, "3.8", "3.7"), notes=("no signatures: first subgraph",)),
        Environment("LiteRT.js", _node("litert_wasm_internal.js"), notes=("relaxed SIMD",)),
        Environment("LiteRT.js", _node("litert_wasm_compat_internal.js"), notes=("compatible build",)),
        *(Environment("ai-edge-litert, newest", _emulated, {"QEMU_CPU": cpu}, ("QEMU", device)) for cpu, device in ARM.items()),
    ]


def _virtual(runtime: str, requirements: Sequence[str], *versions: str) -> Callable[[Path], list[str]]:
    """A virtual environment with a runtime, on the first of some CPython versions that is found."""

    def make(folder: Path) -> list[str]:
        python = virtual_environment(folder / requirements[0].replace("==", "-"), requirements, *versions)
        return [str(python), str(ASK), runtime]

    return make


def virtual_environment(folder: Path, requirements: Sequence[str], *versions: str) -> Path:
    """The interpreter of a virtual environment, made where it is missing.

    Raises:
        Unavailable: There is none of the CPython versions, or pip fails.
    """
    python, marker = folder / "bin" / "python", folder / "installed"
    if not marker.exists():
        empty_environment(folder, *versions)
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        marker.touch()
    return python


def empty_environment(folder: Path, *versions: str) -> Path:
    """The interpreter of a virtual environment made afresh, with nothing but the pip that the CPython brings.

    Raises:
        Unavailable: There is none of the CPython versions.
    """
    found = find_python(*versions)
    if found is None:
        raise Unavailable(f"needs CPython {' or '.join(versions)}")
    shutil.rmtree(folder, ignore_errors=True)
    _run([str(found), "-m", "venv", str(folder)])
    return folder / "bin" / "python"


def _node(build: str) -> Callable[[Path], list[str]]:
    """LiteRT.js as the preview's lock file has it, in one of its builds."""

    def make(folder: Path) -> list[str]:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise Unavailable("needs Node.js and npm")
        major = int(subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.lstrip("v").split(".")[0])
        if major < NODE:
            raise Unavailable(f"needs Node.js {NODE} or newer, found {major}")
        place = folder / "litert-js"
        place.mkdir(parents=True, exist_ok=True)
        lock = (LITERT_JS / "package-lock.json").read_bytes()
        if not (place / "node_modules").exists() or (place / "package-lock.json").read_bytes() != lock:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LITERT_JS / name, place)
            _run([npm, "ci", "--prefix", str(place), "--ignore-scripts", "--no-audit", "--no-fund"])
        flags = [RELAXED_SIMD] if major == NODE else []
        return [node, *flags, str(HERE / "ask.mjs"), str(place), build]

    return make


def _emulated(folder: Path) -> list[str]:
    try:
        command = aarch64.machine(folder / "aarch64")
    except aarch64.NoMachineError as error:
        raise Unavailable(str(error)) from error
    return [*command, str(ASK), "ai_edge_litert"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Unavailable(f"{' '.join(Path(part).name for part in command[:4])} failed: {said[-1] if said else done.returncode}")
