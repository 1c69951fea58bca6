"""The runtime in an app that leaves the folder `task/task_library` out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import task_library_files as files
from conftest import TEXTS, run_fresh
from PIL import Image

import task

# A development install finds the folder of the checkout, whatever the package's own path says.
START = """
import sys
sys.path.insert(0, sys.argv[1])
sys.meta_path[:] = [finder for finder in sys.meta_path if not getattr(finder, "__module__", "").startswith("__editable__")]
import task
assert task.__file__.startswith(sys.argv[1])
"""
SEARCH = """
from task.text import TextSearcher
from task.vision import ImageSearcher, TensorImage
by_text, by_image = (kind.create_from_file(sys.argv[2]) for kind in (TextSearcher, ImageSearcher))
print(by_text.search(sys.argv[3]))
print(by_text.search(sys.argv[3], allowed=range(9)))
print(by_image.search(TensorImage.create_from_file(sys.argv[4])))
print("task.task_library" in sys.modules)
"""
OPEN = """
from task.text import TextEmbedder, TextSearcher
opening = {
    "searcher": lambda: TextSearcher.create_from_file(*sys.argv[2:]),
    "embedder": lambda: TextEmbedder.create_from_file(sys.argv[2]),
}
for what, open_it in opening.items():
    try:
        open_it()
    except ValueError as error:
        print(what, type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def left_out(tmp_path_factory) -> str:
    """A folder that holds the runtime without `task_library`."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copytree(Path(task.__file__).parent, folder / "task", ignore=shutil.ignore_patterns("task_library", "__pycache__"))
    return str(folder)


def message(path: object) -> str:
    return (
        f"InvalidArgumentError {path}: this file is for the Task Library or has an index beside it, and the package task.task_library, "
        "which opens such files, is not installed; install pocket-searcher with it, or build a graph searcher with `maker index`."
    )


def test_graph_searchers_answer_as_they_do_with_it(left_out, searcher_file, tmp_path):
    photo = tmp_path / "query.png"
    Image.new("RGB", (40, 30), (200, 40, 10)).save(photo)
    arguments = (str(searcher_file), TEXTS[0], str(photo))
    found = run_fresh(START + SEARCH, left_out, *arguments)
    assert found == run_fresh(START + SEARCH, str(Path(task.__file__).parents[1]), *arguments)
    assert found.endswith("\nFalse")


def test_a_task_library_file_is_refused_in_one_line_that_names_what_is_missing(left_out, embeddings, tmp_path):
    model = files.lookup_text_model(tmp_path / "m.tflite", embeddings[:9], files.float_index(embeddings, [b"x"] * len(embeddings)))
    assert run_fresh(START + OPEN, left_out, str(model)).splitlines() == [f"searcher {message(model)}", f"embedder {message(model)}"]
    assert run_fresh(START + OPEN, str(Path(task.__file__).parents[1]), str(model)) == ""


def test_a_graph_file_with_an_index_beside_it_is_refused_too(left_out, searcher_file, embeddings, tmp_path):
    index = tmp_path / "index.ldb"
    index.write_bytes(files.float_index(embeddings, [b"x"] * len(embeddings)))
    assert run_fresh(START + OPEN, left_out, str(searcher_file), str(index)) == f"searcher {message(searcher_file)}"
    assert run_fresh(START + OPEN, str(Path(task.__file__).parents[1]), str(searcher_file), str(index)) == ""
