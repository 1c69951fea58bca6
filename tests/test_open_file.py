"""An open searcher answers from the file that it opened, whatever happens to the file's name."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXTS, run_fresh

from maker import searcher
from task.text import TextSearcher


def write(path: Path, encoder: Path, embeddings: np.ndarray, prefix: str) -> Path:
    data = searcher.DataLoader(str(encoder), embeddings, [f"{prefix}{i}" for i in range(len(embeddings))])
    options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options).export(export_filename=path)
    return path


def in_new_thread(call: Callable[[], object]) -> object:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    assert results, "the thread failed"
    return results[0]


@pytest.mark.parametrize("change", ["replaced", "deleted", "another working directory"])
def test_a_new_thread_searches_the_file_that_was_opened(tmp_path, encoder, embeddings, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "s.tflite", encoder, embeddings, "old")
    with TextSearcher.create_from_file("s.tflite") as opened:
        before = opened.search(TEXTS[0])
        if change == "replaced":
            os.replace(write(tmp_path / "new.tflite", encoder, -embeddings, "new"), tmp_path / "s.tflite")
        elif change == "deleted":
            (tmp_path / "s.tflite").unlink()
        else:
            (tmp_path / "elsewhere").mkdir()
            monkeypatch.chdir(tmp_path / "elsewhere")
        assert in_new_thread(lambda: opened.search(TEXTS[0])) == before
        assert in_new_thread(lambda: opened.search(TEXTS[0], allowed=range(5))) == opened.search(TEXTS[0], allowed=range(5))
        assert before.nearest_neighbors[0].metadata.startswith(b"old")


def test_a_name_that_is_not_utf8_opens(tmp_path, searcher_file):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/s\xff.tflite")
    try:
        Path(path).write_bytes(searcher_file.read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with TextSearcher.create_from_file(path) as opened:
        assert len(opened.search(TEXTS[0]).nearest_neighbors) == 5


CUT_WHILE_OPEN = """
import sys
import numpy as np
from task.errors import SearcherError
from task.text import TextSearcher

with TextSearcher.create_from_file(sys.argv[1]) as opened:
    opened.search("a red kite")
    with open(sys.argv[1], "r+b") as file:
        file.truncate(1000)
    vector = np.ones(opened.engine.dimension, np.float32)
    calls = {
        "text": lambda: opened.search("a red kite"),
        "allowed": lambda: opened.search_embedding(vector, allowed=range(5)),
        "embedding": lambda: opened.search_embedding(vector),
        "metadata": lambda: opened.get_metadata(299),
    }
    for name, call in calls.items():
        try:
            print(name, call())
        except SearcherError as error:
            print(name, "refused:", str(error).split(": ", 1)[1])
"""


def test_a_file_that_is_overwritten_in_place_is_refused_and_does_not_crash(tmp_path, searcher_file):
    path = tmp_path / "s.tflite"
    path.write_bytes(searcher_file.read_bytes())
    lines = run_fresh(CUT_WHILE_OPEN, str(path)).splitlines()  # in a process of its own: a crash is a signal, not an exception
    assert [line.split(" ", 1)[0] for line in lines] == ["text", "allowed", "embedding", "metadata"]
    assert all("refused: the file was overwritten while it was open; open it again" in line for line in lines)


def test_a_searcher_made_from_content_needs_no_file(searcher_file):
    from task.core import BaseOptions
    from task.text import TextSearcherOptions

    options = TextSearcherOptions(BaseOptions(file_content=searcher_file.read_bytes()))
    with TextSearcher.create_from_options(options) as opened, TextSearcher.create_from_file(str(searcher_file)) as mapped:
        assert in_new_thread(lambda: opened.search(TEXTS[0])) == mapped.search(TEXTS[0])
