"""Installs the wheel without extras in clean environments and looks at what the runtime costs: size, seconds to import, a search.

`python -m tests.install.run pocket_searcher-….whl [--work build/install]`. Prints a Markdown table and writes `results.json`. Every CPython
from 3.10 to 3.13 that is found is tried. Exit status: 1 where one does not install or answer, or is over a limit.
"""

# ruff: noqa: T201 - it reports to a terminal

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.portable.environments import Unavailable, virtual_environment
from tests.portable.files import TEXTS, write_searcher
from tests.pythons import find_python

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
LARGEST, SLOWEST = 150.0, 0.5  # MB of 10^6 bytes; seconds
TRIES = 5
INSTALLERS = (
    "pip",
    "setuptools",
    "pkg_resources",
    "_distutils_hack",
    "wheel",
    "distutils-precedence.pth",
)  # of the environment, not of the wheel
HEADER = ["CPython", "installed", "of it the largest", "import task.text", "first search", "verdict"]
ASK = """
import json, sys, time
begin = time.perf_counter()
import task.text
imported, cpu = time.perf_counter(), time.process_time()
with task.text.TextSearcher.create_from_file(sys.argv[1]) as searcher:
    found = [n.metadata.decode() for n in searcher.search(sys.argv[2]).nearest_neighbors]
search = time.perf_counter() - imported
print(json.dumps({"import": imported - begin, "cpu": cpu, "search": search, "found": found, "place": task.text.__file__}))
"""


def main() -> int:
    """Installs everywhere."""
    parser = argparse.ArgumentParser(description="Installs the wheel in clean environments.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "install")
    given = parser.parse_args()
    work, searcher = given.work.resolve(), given.work.resolve() / "searcher.tflite"
    work.mkdir(parents=True, exist_ok=True)
    write_searcher(searcher)
    expected = asked(Path(sys.executable), searcher)["found"]
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|", flush=True)
    rows = []
    for version in VERSIONS:
        row = installed(version, given.wheel.resolve(), work, searcher, expected)
        print("| " + " | ".join(row.values()) + " |", flush=True)
        rows.append(row)
    (work / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["verdict"] in ("passes", "not found") for row in rows) else 1


def installed(version: str, wheel: Path, work: Path, searcher: Path, expected: list[str]) -> dict[str, str]:
    """The row of a CPython version."""
    row = {**dict.fromkeys(HEADER, ""), "CPython": version}
    if find_python(version) is None:
        return {**row, "verdict": "not found"}
    folder = work / version
    shutil.rmtree(folder, ignore_errors=True)
    try:
        python = virtual_environment(folder, [str(wheel)], version)
        size, parts = measured(folder)
        answers = [asked(python, searcher) for _ in range(TRIES)]
    except (Unavailable, RuntimeError) as error:
        return {**row, "verdict": f"fails: {error}"}
    seconds, cpu = (min(answer[key] for answer in answers) for key in ("import", "cpu"))
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)  # then the clock on the wall measures the other processes
    note = f" (busy machine; {cpu:.2f} s of CPU)" if busy else ""
    row |= {"installed": f"{size:.0f} MB", "of it the largest": ", ".join(f"{name} {part:.0f}" for name, part in parts[:4])}
    row |= {"import task.text": f"{seconds:.2f} s{note}", "first search": f"{1e3 * min(answer['search'] for answer in answers):.0f} ms"}
    problems = [
        *(["over the size"] if size > LARGEST else []),
        *(["slow to import"] if (cpu if busy else seconds) > SLOWEST else []),
        *(["other answers"] if any(answer["found"] != expected for answer in answers) else []),
        *(["another task was imported"] if not answers[0]["place"].startswith(str(folder)) else []),
    ]
    return {**row, "verdict": ", ".join(problems) or "passes"}


def measured(folder: Path) -> tuple[float, list[tuple[str, float]]]:
    """MB of what pip put into an environment for the wheel, compiled files included, and its parts, largest first."""
    (packages,) = folder.glob("lib/python*/site-packages")
    parts: dict[str, float] = {}
    for path in packages.rglob("*"):
        top = path.relative_to(packages).parts[0]
        name = top.split("-")[0].removesuffix(".libs")
        if path.is_file() and not path.is_symlink() and name not in INSTALLERS and top not in INSTALLERS:
            parts[name] = parts.get(name, 0.0) + path.stat().st_size / 1e6
    return sum(parts.values()), sorted(parts.items(), key=lambda part: -part[1])


def asked(python: Path, searcher: Path) -> dict:
    """What a fresh process imports, in seconds, and finds; away from this folder, so that the installed packages are taken.

    Raises:
        RuntimeError: It fails.
    """
    command = [str(python), "-I", "-c", ASK, str(searcher), TEXTS[0]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=searcher.parent, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
