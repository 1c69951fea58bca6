"""A file that is replaced while threads search it: every answer is from the file that was opened."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXTS

from maker import searcher
from task.text import TextSearcher
from tests.faults.broken_runs import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced")]

THREADS, QUERIES, REPLACEMENTS, VERSIONS = 8, 10_000, 100, 5
KEPT = 500  # queries by a thread to a searcher before it opens the file anew
REPLACE = """
import os, shutil, sys
from pathlib import Path

folder, count = Path(sys.argv[1]), int(sys.argv[2])
versions = sorted(folder.glob("version-*"))
for number in range(count):
    sys.stdin.readline()  # the threads say when
    shutil.copyfile(versions[number % len(versions)], folder / "next")
    os.replace(folder / "next", folder / "searcher.tflite")
    print(number, flush=True)
"""


@pytest.fixture
def versions(tmp_path, encoder, embeddings) -> Path:
    """Searchers over the same names in other places; every entry says which version it is of."""
    options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
    for version in range(VERSIONS):
        rows = np.roll(embeddings, 7 * version, axis=0) * (-1) ** version
        data = searcher.DataLoader(str(encoder), rows, [f"{version}/{n}" for n in range(len(rows))])
        searcher.Searcher.create_from_data(data, options).export(export_filename=tmp_path / f"version-{version}.tflite")
    (tmp_path / "searcher.tflite").write_bytes((tmp_path / "version-0.tflite").read_bytes())
    return tmp_path


def answers(opened: TextSearcher, query: int) -> list[tuple[int, float, bytes]]:
    found = opened.search(TEXTS[query % len(TEXTS)]).nearest_neighbors
    return [(neighbor.id, neighbor.distance, neighbor.metadata) for neighbor in found]


def test_every_answer_is_from_the_file_that_was_opened(versions, fault_count):
    expected = []
    for version in range(VERSIONS):
        with TextSearcher.create_from_file(str(versions / f"version-{version}.tflite")) as opened:
            expected.append([answers(opened, query) for query in range(len(TEXTS))])
    assert len({str(answer) for answer in expected}) == VERSIONS
    path, queries = str(versions / "searcher.tflite"), fault_count(QUERIES)
    kept = min(KEPT, max(1, queries // 4))
    problems: list[str] = []
    seen: set[int] = set()
    done = [0] * THREADS
    with TextSearcher.create_from_file(path) as shared:

        def ask(opened: TextSearcher, version: int, query: int) -> None:
            found = answers(opened, query)
            if found != expected[version][query % len(TEXTS)]:
                problems.append(f"query {query} of a searcher of version {version} found {found}")

        def search(thread: int) -> None:
            opened, version = TextSearcher.create_from_file(path), 0
            try:
                for query in range(queries):
                    if query % kept == 0:
                        opened.close()
                        opened = TextSearcher.create_from_file(path)
                        version = int(answers(opened, 0)[0][2].split(b"/")[0])
                        seen.add(version)
                    if query % 2:
                        ask(shared, 0, query)  # by an interpreter that this thread opened after the first replacements
                    else:
                        ask(opened, version, query)
                    done[thread] += 1
                    if problems:
                        return
            except Exception as error:
                problems.append(repr(error))
            finally:
                opened.close()

        replaced = _replace_while(versions, search, done, queries)
    assert not problems, problems[0]
    assert done == [queries] * THREADS
    assert replaced == REPLACEMENTS
    assert len(seen) > 1
    sys.stdout.write(f"\n{sum(done)} queries by {THREADS} threads, {replaced} replacements, versions seen: {sorted(seen)}\n")


def _replace_while(folder: Path, search, done: list[int], queries: int) -> int:
    """Runs the threads; another process replaces the file evenly spread over their queries. Returns how often it did."""
    command = [sys.executable, "-c", REPLACE, str(folder), str(REPLACEMENTS)]
    threads = [threading.Thread(target=search, args=(number,)) for number in range(THREADS)]
    replaced = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for number in range(REPLACEMENTS):
            if number == 3:
                for thread in threads:
                    thread.start()
            while number > 3 and sum(done) * REPLACEMENTS < number * THREADS * queries and any(thread.is_alive() for thread in threads):
                threads[0].join(0.001)
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == f"{number}\n"
            replaced += 1
        for thread in threads:
            thread.join()
    return replaced
