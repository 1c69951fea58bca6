"""The runtime alone is installed (`pip install pocket-searcher`, without the extra): what works, and what the other verbs say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maker.cli import OF_THE_BUILDER, _how_to_get
from task.text import TextSearcher

# An entry of None makes Python raise what it raises of a package that is not installed.
WITHOUT = f"""
import sys
for package in {list(OF_THE_BUILDER)!r}:
    sys.modules[package] = None
from maker.cli import main
sys.exit(main(sys.argv[1:]))
"""


def maker(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_runtime_searches_inspects_and_verifies(searcher_file):
    for verb, said in (("search", "images/"), ("inspect", "golden queries"), ("verify", "golden queries")):
        done = maker(verb, searcher_file, *(["a kite"] if verb == "search" else []))
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_the_runtime_indexes(encoder, tmp_path):
    rows = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
    np.save(tmp_path / "e.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    (tmp_path / "e.txt").write_text("\n".join(map(str, range(3000))))
    arguments = ["--embeddings", tmp_path / "e.npy", "--metadata", tmp_path / "e.txt", "--embedder", encoder, "--leaves", 10]
    done = maker("index", *arguments, "--output", tmp_path / "s.tflite")
    assert done.returncode == 0, done.stderr
    assert "in 10 leaves" in done.stdout
    assert "s.index.png is left out: drawing needs matplotlib" in done.stderr
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as searcher:
        assert len(searcher.search("a kite").nearest_neighbors) == 5


def test_the_runtime_merges_changes(searcher_file, tmp_path):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        searcher.remove(3)
        searcher.save_overlay(str(tmp_path / "o.overlay"))
    done = maker("index", "--update", searcher_file, "--overlay", tmp_path / "o.overlay", "--output", tmp_path / "s.tflite")
    assert done.returncode == 0, done.stderr
    assert "299 items" in done.stdout


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("build", ["--images", "photos", "--captions", "photos/captions.tsv", "--output", "s.tflite"]),
        ("embed", ["SEARCHER", "photos", "--kind", "image", "--output", "e.npy"]),
        ("classify", ["SEARCHER", "--images", "photos", "--labels", "red,blue"]),
        ("preview", ["SEARCHER", "--images", "photos"]),
        ("report", ["SEARCHER"]),
        ("export-android", ["SEARCHER", "--images", "photos", "app"]),
        ("sample", ["scenes"]),
    ],
)
def test_verbs_of_the_builder_name_what_to_install(verb, more, photos: Path, searcher_file: Path, monkeypatch):
    monkeypatch.chdir(photos.parent)
    done = maker(verb, *[searcher_file if part == "SEARCHER" else part for part in more])
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("maker: error:")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert "pip install" in lines[0]


@pytest.mark.parametrize(
    ("library", "python", "message"),
    [
        ("tensorflow", (3, 14), "whose release for CPython 3.14 this project waits for; run the command on CPython 3.10 to 3.13"),
        ("tensorflow", (3, 13), "pip install"),
        ("jinja2", (3, 14), "pip install"),
    ],
)
def test_on_a_python_without_tensorflow_the_builder_says_what_it_waits_for(library, python, message):
    assert message in _how_to_get(library, python)
