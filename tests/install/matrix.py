"""Installs this project and what else there is on every CPython: does each install, import and answer, and what does it weigh?

`python -m tests.install.matrix [--work build/matrix] [--products a,b] [--versions 3.11,3.12] [--timeout 900] [--again]`. Each cell has a
fresh virtual environment, the pip that its CPython brings and the plain instruction of the product (`products.py`); it is deleted when
it is measured. `results.json` is written after each cell, and cells that stand there are kept; pip's output is in `logs`. Prints a
Markdown table. Exit status: 1 where this project's own rows neither work nor say that they need another CPython.
"""

# ruff: noqa: T201 - it reports to a terminal

from __future__ import annotations

import argparse
import fcntl
import json
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tests.install.products import Product, products
from tests.install.run import ROOT, asked, measured
from tests.install.verdicts import SMOKE_SECONDS, pip_verdict, run, tried
from tests.portable.environments import Unavailable, empty_environment
from tests.portable.files import write_searcher

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
OURS = "pocket-searcher"
FACTS = """
import importlib.metadata, json, platform, sys
versions = {}
for name in ("pip", sys.argv[1]):
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        versions[name] = ""
print(json.dumps({"cpython": platform.python_version(), "pip": versions["pip"], "version": versions[sys.argv[1]]}))
"""
Cell = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Fills the matrix."""
    parser = argparse.ArgumentParser(description="Installs products on every CPython.")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "matrix")
    parser.add_argument("--products", help="names, with commas between them (default: all)")
    parser.add_argument("--versions", default=",".join(VERSIONS))
    parser.add_argument("--timeout", type=float, default=900, help="seconds that pip may take")
    parser.add_argument("--again", action="store_true", help="measure cells that are in results.json too")
    given = parser.parse_args(argv)
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    rows = everything(work)
    chosen = given.products.split(",") if given.products else [row.name for row in rows]
    unknown = set(chosen) - {row.name for row in rows}
    if unknown:
        parser.error(f"no product {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in rows)}")
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parser.error(f"{work}: another run fills it; wait, or give another --work")
        results = fill(rows, chosen, given.versions.split(","), work, given.timeout, again=given.again)
    print(table(rows, results))
    ours = [cell for row in rows if row.name.startswith(OURS) for cell in results.get(row.name, {}).values()]
    return 0 if all(re.match("works|needs Python|not found|not tried: pocket-searcher ", cell["verdict"]) for cell in ours) else 1


def everything(work: Path) -> list[Product]:
    """The products, with a searcher file for this project's own.

    Raises:
        SystemExit: There is no wheel.
    """
    wheels = sorted((ROOT / "dist").glob("*.whl"))
    if not wheels:
        raise SystemExit("dist: no wheel of this project; `make wheel` builds it")
    searcher = work / "searcher.tflite"
    write_searcher(searcher)
    return products(wheels[-1], searcher, json.dumps(asked(Path(sys.executable), searcher)["found"]))


def fill(
    rows: Sequence[Product], chosen: Sequence[str], versions: Sequence[str], work: Path, timeout: float, *, again: bool = False
) -> dict[str, dict[str, Cell]]:
    """The cells by product and version: those that `results.json` has, and those missing, measured one after the other."""
    path = work / "results.json"
    results: dict[str, dict[str, Cell]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for row in rows:
        for version in versions if row.name in chosen else ():
            cells = results.setdefault(row.name, {})
            if version in cells and not again:
                continue
            lost = [part for part in row.parts if "mb" not in results.get(part, {}).get(version, {"mb": 0})]
            cells[version] = {"verdict": f"not tried: {lost[0]} does not install"} if lost else cell(row, version, work, timeout)
            cells[version]["date"] = date.today().isoformat()
            path.with_suffix(".part").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            path.with_suffix(".part").replace(path)
            print(f"{row.name} on {version}: {json.dumps(cells[version], ensure_ascii=False)}", file=sys.stderr, flush=True)
    return results


def cell(row: Product, version: str, work: Path, timeout: float) -> Cell:
    """Installs a product on a CPython, tries it, and deletes the environment."""
    folder, logs = work / "environment", work / "logs"
    logs.mkdir(exist_ok=True)
    log = logs / f"{row.name.replace(' ', '-')}-{version}.pip.log"
    try:
        python = empty_environment(folder, version)
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
        done = run([*pip, *row.requirements], work, timeout)
        log.write_text(done.out + done.errors, encoding="utf-8")
        facts = json.loads(run([str(python), "-I", "-c", FACTS, re.split(r"[\[ ]", row.name)[0]], work, SMOKE_SECONDS).out)
        found = {"seconds": round(done.seconds, 1), **facts}
        if done.status != 0:
            return {**pip_verdict(row, done, timeout), **found}
        found["mb"] = round(measured(folder)[0], 1)
        answer = {**tried(row, python, work / "smoke", log.with_suffix(".smoke.log")), **found}
        if answer["verdict"] != "works" and row.rescue:
            helped = run([*pip, "--only-binary=:all:", *row.rescue], work, timeout)
            said = log.with_suffix(".rescue.log")
            second = tried(row, python, work / "smoke", said) if helped.status == 0 else pip_verdict(row, helped, timeout)
            answer["rescue"] = {"with": " ".join(row.rescue), **second}
        return answer
    except Unavailable as error:
        return {"verdict": "not found", "detail": str(error)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def table(rows: Sequence[Product], results: dict[str, dict[str, Cell]]) -> str:
    """Markdown: a row a product, a column a CPython, and below it what the verdicts' numbers stand for."""
    notes: list[str] = []
    versions = sorted({v for cells in results.values() for v in cells}, key=_numbers)
    header = ["", *versions, "MB", "what it searches, where"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for row in rows:
        cells = results.get(row.name, {})
        if not cells:
            continue
        newest = max((c.get("version", "") for c in cells.values()), key=_numbers)
        shown = [_shown(cells[v], newest, notes) if v in cells else "" for v in versions]
        sizes = [c["mb"] for c in cells.values() if "mb" in c]
        size = "–".join(dict.fromkeys(f"{s:.0f}" if s >= 10 else f"{s:.1f}" for s in (min(sizes), max(sizes)))) if sizes else ""
        lines.append("| " + " | ".join([f"{row.name} {newest}".strip(), *shown, size, row.remark]) + " |")
    lines += ["", *(f"{i}. `{note}`" for i, note in enumerate(notes, 1)), "" if notes else None]
    dates = sorted({c["date"] for cells in results.values() for c in cells.values() if "date" in c})
    where = f"{platform.system()} {platform.machine()}, glibc {platform.libc_ver()[1]}"
    return "\n".join(
        line for line in [*lines, f"Measured {' to '.join(dict.fromkeys(dates[:1] + dates[-1:]))} on {where}."] if line is not None
    )


def _shown(cell: Cell, newest: str, notes: list[str]) -> str:
    """A cell's text; what is long becomes a note."""
    text = cell["verdict"]
    if "mb" in cell and cell.get("version", "") != newest:
        text += f", {cell['version']}"
    if detail := cell.get("detail", ""):
        if detail not in notes:
            notes.append(detail)
        text += f" ({notes.index(detail) + 1})"
    rescue = cell.get("rescue", {})
    return text + (f"; with {rescue['with']} it works" if rescue.get("verdict") == "works" else "")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


if __name__ == "__main__":
    sys.exit(main())
