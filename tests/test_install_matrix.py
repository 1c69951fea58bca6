"""The program behind `make install-matrix`: its verdicts, its table, and what it does not measure twice."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.install import matrix, verdicts
from tests.install.products import Product

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = Path(sys.executable)


def pip_that_says(text: str, folder: Path) -> verdicts.Done:
    return verdicts.run([sys.executable, "-c", f"import sys; sys.stderr.write({text!r}); sys.exit(1)"], folder, 60)


@pytest.mark.parametrize(
    ("smoke", "verdict", "detail"),
    [
        ("import json\nprint('first')\nprint('last')\n", "works", None),
        ("import no_such_module\n", "installs, import fails", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import json\njson.loads('{')\n", "installs, but fails", "json.decoder.JSONDecodeError: Expecting property name"),
        ("import os\nos.abort()\n", "installs, but crashes", "SIGABRT"),
    ],
)
def test_the_program_of_a_product_gives_the_verdict(tmp_path, smoke, verdict, detail):
    said = verdicts.tried(Product("p", ("p",), smoke), PYTHON, tmp_path / "smoke", tmp_path / "log")
    assert said["verdict"] == verdict
    if detail is None:
        assert said["said"] == "last"
    else:
        assert said["detail"].startswith(detail)


def test_a_program_that_does_not_end_is_a_verdict(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "SMOKE_SECONDS", 1)
    said = verdicts.tried(Product("p", ("p",), "import time\ntime.sleep(60)\n"), PYTHON, tmp_path / "smoke", tmp_path / "log")
    assert said == {"verdict": "installs, but does not answer in 1 s"}


def test_what_runs_too_long_is_killed_with_what_it_started(tmp_path):
    program = (
        "import os, time\n"
        "print('Collecting p', flush=True)\n"
        "if os.fork() == 0:\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    done = verdicts.run([sys.executable, "-c", program], tmp_path, 2)
    assert done.status is None
    assert done.seconds < 30
    assert verdicts.pip_verdict(Product("p", ("p",), ""), done, 2) == {
        "verdict": "pip does not finish resolving in 2 s",
        "detail": "Collecting p",
    }
    for _ in range(50):
        try:
            os.kill(int((tmp_path / "pid").read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the child lives")


def test_the_time_in_which_it_was_suspended_is_not_counted(tmp_path, monkeypatch):
    hours = itertools.count(0, 3600)
    monkeypatch.setattr(verdicts, "time", SimpleNamespace(monotonic=lambda: next(hours)))
    done = verdicts.run([sys.executable, "-c", "import time; time.sleep(1.5)"], tmp_path, 900)
    assert done.status == 0
    assert done.seconds < 60


@pytest.mark.parametrize(
    ("text", "verdict", "detail"),
    [
        ("ERROR: No matching distribution found for p\n", "no wheel for this Python", ""),
        ("ERROR: No matching distribution found for q==1; extra\n", "a dependency has no wheel for this Python", "q==1"),
        ("ERROR: Package 'p' requires a different Python: 3.9.1 not in '>=3.10'\n", "needs Python >=3.10", ""),
        ("ERROR: ResolutionImpossible: for help visit x\n", "pip finds no versions that go together", "ERROR: ResolutionImpossible"),
        (
            "Collecting q==2\n  error: subprocess-exited-with-error\n    ModuleNotFoundError: No module named 'distutils'\n",
            "a dependency does not build",
            "q: ModuleNotFoundError: No module named 'distutils'",
        ),
        ("Building p\nERROR: the disk is full\n", "pip fails", "ERROR: the disk is full"),
    ],
)
def test_what_pip_says_gives_the_verdict(tmp_path, text, verdict, detail):
    said = verdicts.pip_verdict(Product("p", ("p",), ""), pip_that_says(text, tmp_path), 900)
    assert said["verdict"] == verdict
    assert said.get("detail", "").startswith(detail)


@pytest.mark.slow
def test_a_cell_installs_and_measures_and_leaves_no_environment(tmp_path):
    wheel = tmp_path / "small-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("small/__init__.py", "")
        opened.writestr("small/data.bin", bytes(3_000_000))
        opened.writestr("small-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.2\n")
        opened.writestr("small-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        opened.writestr("small-1.2.dist-info/RECORD", "")
    found = matrix.cell(Product("small", ("--no-index", str(wheel)), "import small\nprint(small.__file__)\n"), HERE, tmp_path, 120)
    assert (found["verdict"], found["version"], found["mb"]) == ("works", "1.2", 3.0)
    assert found["said"].startswith(str(tmp_path / "environment"))
    assert not (tmp_path / "environment").exists()
    assert matrix.cell(Product("small", ("small",), ""), "2.0", tmp_path, 1)["verdict"] == "not found"


def test_cells_that_were_measured_are_kept(tmp_path, monkeypatch):
    asked = []

    def cell(row: Product, version: str, work: Path, timeout: float) -> matrix.Cell:
        asked.append((row.name, version))
        if row.name == "b" and version == "3.10" and len(asked) < 5:
            raise KeyboardInterrupt
        return {"verdict": "pip fails"} if row.name == "a" and version == "3.10" else {"verdict": "works", "mb": 1.0}

    monkeypatch.setattr(matrix, "cell", cell)
    rows = [Product("a", ("a",), ""), Product("b", ("b",), ""), Product("c", ("a", "b"), "", parts=("a", "b"))]
    given = (rows, ["a", "b", "c"], ["3.9", "3.10"], tmp_path, 900)
    with pytest.raises(KeyboardInterrupt):
        matrix.fill(*given)
    assert list(json.loads((tmp_path / "results.json").read_text())["b"]) == ["3.9"]
    results = matrix.fill(*given)
    assert asked == [("a", "3.9"), ("a", "3.10"), ("b", "3.9"), ("b", "3.10"), ("b", "3.10"), ("c", "3.9")]
    assert results["c"]["3.10"]["verdict"] == "not tried: a does not install"
    assert results == json.loads((tmp_path / "results.json").read_text())
    matrix.fill(rows, ["b"], ["3.9"], tmp_path, 900)
    assert len(asked) == 6
    matrix.fill(rows, ["b"], ["3.9"], tmp_path, 900, again=True)
    assert asked[6:] == [("b", "3.9")]


def test_the_table_has_a_row_a_product_and_numbers_what_is_long():
    rows = [Product("a", ("a",), "", "text"), Product("b", ("b",), "", "vectors"), Product("not measured", ("c",), "")]
    fails = {"verdict": "installs, import fails", "detail": "ImportError: x", "version": "2.0", "mb": 9.6}
    results = {
        "a": {"3.10": {"verdict": "works", "version": "1.10", "mb": 11.2}, "3.9": {"verdict": "works", "version": "1.9", "mb": 10.4}},
        "b": {
            "3.10": {**fails, "rescue": {"with": "q<2", "verdict": "works"}},
            "3.9": {**fails, "rescue": {"with": "q<2", "verdict": "no"}},
        },
    }
    assert matrix.table(rows, results).splitlines()[:7] == [
        "|  | 3.9 | 3.10 | MB | what it searches, where |",
        "|---|---|---|---|---|",
        "| a 1.10 | works, 1.9 | works | 10–11 | text |",
        "| b 2.0 | installs, import fails (1) | installs, import fails (1); with q<2 it works | 9.6 | vectors |",
        "",
        "1. `ImportError: x`",
        "",
    ]
