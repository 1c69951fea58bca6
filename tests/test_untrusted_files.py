"""What SECURITY.md promises about files that others made."""

from __future__ import annotations

import random

import pytest
from conftest import run_fresh

from task.core import BaseOptions
from task.errors import TaskError
from task.format import archive
from task.text import TextSearcher, TextSearcherOptions

SEARCH = """
import os
import sys
import numpy as np
from task.text import TextSearcher

WATCHED = ("socket", "subprocess", "shutil", "tempfile", "pickle", "os")

def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        seen.append(f"open {arguments[0]}")
    if event.split(".")[0] in WATCHED and event not in ("os.listdir", "os.scandir"):
        seen.append(event)

seen = []
with TextSearcher.create_from_file(sys.argv[1]) as searcher:  # everything that is imported late is imported here
    searcher.search("a red kite")
sys.addaudithook(watch)
with TextSearcher.create_from_file(sys.argv[1]) as searcher:
    assert searcher.search("a red kite").nearest_neighbors
    searcher.search_embedding(np.ones(16, np.float32))
print(seen)
"""


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_changed_bytes_behind_the_model_end_in_an_error_of_the_runtime_or_an_answer(searcher_file, count):
    content = searcher_file.read_bytes()
    start, source = archive.model_size(content), random.Random(5)
    told = 0
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 3)):
            damaged[source.randrange(start, len(content))] = source.randrange(256)
        try:
            with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=bytes(damaged)))) as searcher:
                searcher.search("a red kite")
        except TaskError:
            told += 1
    assert told > count // 3


def test_searching_writes_nothing_and_starts_and_connects_nothing(searcher_file):
    assert run_fresh(SEARCH, str(searcher_file)) == "[]"
