"""The notebooks as they are committed, and what `make notebook` looks at when it runs them."""

from __future__ import annotations

import ast
import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from tests.notebooks.outputs import FIGURE, LARGEST, TRACES, clean, problems, text_of

ROOT = Path(__file__).parents[1]
UNFINISHED = re.compile(r"\d+%\|.*it/s")  # a progress bar
NOTEBOOKS = sorted((ROOT / "colab").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    read = nbformat.read(request.param, as_version=4)
    nbformat.validate(read)
    return read


def codes(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_both_notebooks_are_there():
    assert [path.name for path in NOTEBOOKS] == ["bring_your_own_embeddings.ipynb", "text_to_image_search.ipynb"]


def test_its_outputs_are_those_of_a_good_run(notebook):
    assert problems(notebook) == []
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == list(range(1, len(codes(notebook)) + 1))


def test_it_shows_nothing_of_the_machine_that_ran_it(notebook):
    for cell in notebook.cells:
        assert "execution" not in cell.metadata  # times of day
        for output in cell.get("outputs", ()):
            assert not TRACES.search(text_of(output))
            assert "\r" not in text_of(output)
            assert not UNFINISHED.search(text_of(output))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_small(path):
    assert path.stat().st_size <= LARGEST


def test_it_installs_in_one_line_and_not_where_it_is_tested(notebook):
    (install,) = [code for code in codes(notebook) if "pip install" in code]
    assert install == 'if not QUICK:\n    %pip install --quiet "{PROJECT}[maker]"'


def test_its_quick_run_is_asked_for_by_the_environment(notebook):
    assert 'QUICK = os.environ.get("QUICK") == "1"' in codes(notebook)[0]


def test_its_cells_are_python_and_have_a_text_that_says_what_to_expect(notebook):
    for code in codes(notebook):
        ast.parse(code.replace("%pip", "# %pip").replace("if not QUICK:\n    #", "#"))
    assert notebook.cells[0].cell_type == "markdown"
    headings = [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    assert len(headings) >= 4


def png(pixels: Image.Image) -> str:
    file = io.BytesIO()
    pixels.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def of_cell(*outputs, tags=(), count=1):
    return new_notebook(cells=[new_code_cell("…", outputs=list(outputs), execution_count=count, metadata={"tags": list(tags)})])


def picture(colours: int):
    image = Image.new("RGB", (8, 8), "white")
    for place in range(1, colours):
        image.putpixel((place, 0), (place, 0, 0))
    return new_output("display_data", {"image/png": png(image)})


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (of_cell(count=None), "was not run"),
        (of_cell(new_output("error", ename="KeyError", evalue="'x'")), "KeyError: 'x'"),
        (of_cell(new_output("stream", name="stderr", text="x.py:3: UserWarning: old\n")), "warns: UserWarning: old"),
        (of_cell(new_output("stream", name="stderr", text="WARNING:tensorflow:slow\n")), "warns: WARNING:tensorflow:slow"),
        (of_cell(new_output("stream", name="stderr", text="ok\nW0000 00:00 x.cc:1] y\n")), "warns: W0000 00:00 x.cc:1] y"),
        (of_cell(new_output("stream", text="no picture\n"), tags=[FIGURE]), "shows no picture"),
        (of_cell(picture(1), tags=[FIGURE]), "shows an empty picture"),
        (of_cell(picture(5), picture(1), tags=[FIGURE]), "shows an empty picture"),
    ],
)
def test_a_bad_output_is_found(bad, found):
    assert problems(bad) == [f"cell 0: {found}"]


def test_good_outputs_are_let_through():
    good = of_cell(picture(5), new_output("stream", text="R@10 95 %, 0 inputs rejected\n"), tags=[FIGURE])
    assert problems(good) == []


def test_a_run_that_fails_says_where_and_leaves_the_notebook_as_it_was(tmp_path):
    path = tmp_path / "bad.ipynb"
    cells = [new_code_cell("import os; print(os.environ['QUICK'])"), new_code_cell("assert 89 >= 90, 'R@10'"), new_code_cell("print(3)")]
    nbformat.write(new_notebook(cells=cells), path)
    before = path.read_bytes()
    command = [sys.executable, "-m", "tests.notebooks.run", path, "--update", "--work", tmp_path / "work"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "failed\n  cell 1: AssertionError: R@10\n  cell 2: was not run" in done.stdout
    assert path.read_bytes() == before
    assert nbformat.read(tmp_path / "work" / "bad" / "bad.ipynb", as_version=4).cells[0].outputs[0].text == "1"


def test_progress_bars_logs_and_paths_are_cleaned_away():
    log = "INFO: INFO: Created TensorFlow Lite XNNPACK\nCreated TensorFlow Lite XNNPACK\n"
    pieces = ["\rembed:  1%|", log, "\rembed: 99%|", "\r          \r", "epoch 1\n", log, "/work/x/site: done\n"]
    notebook = of_cell(*(new_output("stream", name="stderr", text=piece) for piece in pieces), new_output("stream", text="\n"))
    clean(notebook, {"/work/x/": ""})
    (output,) = notebook.cells[0].outputs
    assert output.text == "epoch 1\nsite: done"
