"""The benchmark against other libraries: what it draws, how it compares, and that its driver runs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.peers import data, measure, real_vectors, report, run
from tests.benchmarks.peers.measure import Point
from tests.benchmarks.peers.process import ROOT, PeerError, Process

ITEMS = 21_000  # from 20,000 on the project partitions


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return data.prepare("heavy", 3000, tmp_path_factory.mktemp("bench"))


def point(recall, *p50, build="b", setting=None):
    return Point(build, setting, recall, statistics.median(p50), list(p50), [2 * p for p in p50], list(p50), list(p50))


def test_drawn_items_have_norm_1_and_are_the_same_every_time(drawn, tmp_path):
    vectors = np.load(drawn.vectors)
    again = np.load(data.prepare("heavy", 3000, tmp_path).vectors)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors, again)


def test_queries_lie_in_another_cone_than_the_items(drawn):
    vectors, queries = np.load(drawn.vectors), np.load(drawn.folder / "queries.npy")
    direction = queries.mean(0) - vectors.mean(0)
    item_places, query_places = vectors @ direction, queries @ direction
    assert query_places.mean() - item_places.mean() > query_places.std() + item_places.std()


def test_queries_to_tune_by_are_not_those_that_are_measured(drawn):
    tuning, queries = np.load(drawn.folder / "tuning.npy"), np.load(drawn.folder / "queries.npy")
    assert len(tuning) == len(queries) == data.QUERIES
    assert (queries @ tuning.T).max() < 0.9999


def test_truth_is_exact_search(drawn):
    vectors, queries = np.load(drawn.vectors), np.load(drawn.folder / "queries.npy")
    expected = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    assert measure.recall_of(expected.tolist(), np.load(drawn.folder / "truth.npy"), vectors, queries) > 0.999


def test_copies_of_items_carry_noise_that_varies_as_the_items_do(rng):
    rows = real_vectors.unit(rng.standard_normal((500, 8)) * np.array([8, 4, 2, 1, 1, 1, 0.1, 0.1]))
    vectors = np.zeros((1500, 8), np.float32)
    real_vectors.tile(rows, vectors, 1)
    assert np.array_equal(vectors[:500], rows)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    noise = (vectors[500:] - vectors[:500][np.arange(1000) % 500]).std(0)
    assert noise[0] > 1.5 * noise[2] > 4 * noise[6] > 0


def test_a_data_set_of_more_dimensions_names_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(real_vectors, "NEEDED", {"lite2": (tmp_path / "photos",)})
    with pytest.raises(data.DataMissingError, match="photos is not here; docs/data.md says how to get it"):
        data.prepare("lite2-512", 100, tmp_path)


def test_flickr_without_its_towers_is_skipped_with_the_reason(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(data, "ENCODER", tmp_path / "searcher.tflite")
    monkeypatch.setattr(sys, "argv", ["run", "--data", "flickr", "--work", str(tmp_path / "work")])
    assert run.main() == 0
    printed = capsys.readouterr()
    assert "searcher.tflite is missing" in printed.err
    assert "searcher.tflite is missing" in printed.out


def test_recall_is_the_share_of_true_neighbours_of_the_queries_run():
    vectors, queries = np.arange(10, dtype=np.float32)[:, None], np.ones((3, 1), np.float32)
    truth = np.array([[9, 8], [9, 8], [9, 8]])
    assert measure.recall_of([[8, 9], [9, 7]], truth, vectors, queries) == 0.75
    assert measure.recall_of([[8, 9], [9, 7]], truth, np.minimum(vectors, 7), queries) == 1  # 7, 8 and 9 are equally near


def test_settings_that_another_one_beats_are_not_timed():
    slow_and_worse, fast, thorough, useless = point(0.9, 3.0), point(0.92, 1.0), point(0.99, 4.0), point(0.5, 0.5)
    assert list(measure.pareto_front([slow_and_worse, fast, thorough, useless])) == [fast, thorough]
    assert list(measure.pareto_front([useless])) == [useless]


def test_best_point_is_the_fastest_that_has_the_recall():
    points = [point(0.94, 0.1), point(0.97, 0.3), point(0.96, 0.2)]
    chosen = measure.best(points, 0.95)
    assert chosen is not None
    assert chosen.recall == 0.96
    assert measure.best(points, 0.98) is None


def test_ratio_is_taken_within_each_round(drawn, tmp_path):
    (variant, *_) = run.variants(drawn, 3000, True)
    ours, theirs = (measure.Measured(variant, drawn, tmp_path) for _ in range(2))
    ours.points, theirs.points = [point(0.96, 1.0, 10.0, 2.0)], [point(0.96, 3.0, 10.0, 6.0)]
    ours.builds = theirs.builds = {"b": {}}
    found = run.best_of(theirs, ours, 0.95)
    assert found is not None
    assert found["times_pocket"] == 3.0  # of the medians it would be 6 / 2 as well, of the means 19 / 13
    theirs.points = [point(0.96, 6.0, 10.0, 2.0)]
    assert run.best_of(theirs, ours, 0.95)["times_pocket"] == 1.0


def line(library, name, p50, size, high=True):
    best = p50 and {
        "build": name,
        "p50_cpu_ms": p50,
        "p99_cpu_ms": 2 * p50,
        "times_pocket_cpu": p50,
        "bytes_per_item": size,
        "cpu_seconds": 1,
    }
    return {
        "library": library,
        "label": name,
        "version": "1",
        "opened": {"open_ms": 1},
        "best": {"0.9": best, "0.95": best if p50 else None, "0.98": best if high else None},
        "points": [{"recall": 0.961}],
    }


def test_summary_shows_the_fastest_setting_of_each_library_and_the_one_of_equal_bytes():
    ours, fine = line(report.OURS, "ours", 1.0, 140, high=False), line(report.OURS, "ours, rescored", 1.2, 650)
    quick, small, smaller = line("A", "A float", 0.5, 580), line("A", "A int8", 0.9, 205), line("A", "A 4 bits", 2.0, 80)
    large, short_of_it, apart = line("B", "B", 1.1, 600), line("C", "C", None, 100), line("", "through the library", 0.1, 140)
    assert report.fastest([ours, fine, smaller, small, quick, large, short_of_it, apart]) == [quick, small, ours, large]
    rows = report.summary("d", {"variants": {"a": quick, "o": ours}}).splitlines()[-2:]
    assert rows[0] == "| A float (1); A float | 0.500 / 1.000 | 0.5 | 0.500 | 0.500 | 580 | 1 | 1.0 |"
    assert rows[1] == "| ours (1); ours | 1.000 / 2.000 | 1.0 | 1.000 | reaches 0.961 | 140 | 1 | 1.0 |"


def test_results_of_a_part_replace_only_their_own():
    kept = {"heavy-10": {"variants": {"a": 1, "b": 2}, "skipped": {"c": "no", "d": "no"}}}
    run.merge(kept, "heavy-10", {"variants": {"b": 3, "c": 4}, "skipped": {"a": "died"}})
    assert kept["heavy-10"] == {"variants": {"a": 1, "b": 3, "c": 4}, "skipped": {"d": "no", "a": "died"}}


def test_missing_environment_is_said(tmp_path):
    with pytest.raises(PeerError, match="nowhere/python is missing"):
        Process(Path("nowhere/python"), "faiss", tmp_path / "log")


def test_a_worker_that_takes_too_long_is_ended_and_named(drawn, tmp_path):
    with Process(Path(sys.executable), "pocket", tmp_path / "log") as process, pytest.raises(PeerError, match="took longer than 0.02 s"):
        process.request("build", 0.02, vectors=str(drawn.vectors), folder=str(tmp_path), config={})


def test_large_data_gets_fewer_builds_that_differ(drawn):
    names = [(build.config, variant.engine) for variant in run.variants(drawn, 1_000_000, False) for build in variant.builds]
    usual = [build for variant in run.variants(drawn, 123_287, False) for build in variant.builds]
    assert len(names) < len(usual)
    faiss = [config["factory"] for config, engine in names if engine == "faiss"]
    assert len(faiss) == len(set(faiss))


def test_a_worker_that_fails_says_why_and_goes_on(tmp_path):
    with Process(Path(sys.executable), "pocket", tmp_path / "log") as process:
        with pytest.raises(PeerError, match="KeyError: 'absent'"):
            process.request("search", build="absent", setting=None, queries="q.npy", seconds=1)
        assert process.request("version")["version"] == process.version


def test_quick_run_measures_what_is_installed(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks.peers.run", "--quick", "--data", "clustered", "--items", str(ITEMS)]
    command += ["--peers", "pocket-task,faiss-ivf-sq8-same,hnswlib,sqlite-vec-int8,mediapipe", "--work", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    entry = json.loads((tmp_path / "results.json").read_text())["data"][f"clustered-{ITEMS}"]
    found, skipped = entry["variants"], entry["skipped"]
    assert {"pocket", "pocket-task"} <= set(found), skipped
    for name in ("faiss-ivf-sq8-same", "hnswlib", "sqlite-vec-int8", "mediapipe"):
        assert name in found or "missing" in skipped[name] or "No module" in skipped[name]
    for variant in found.values():
        shown = variant["best"]["0.9"]
        assert shown["recall"] >= 0.9
        assert 0 < shown["p50_ms"] <= shown["p99_ms"]
        assert 100 < shown["bytes_per_item"] < 1000
        assert shown["peak_mb"] > ITEMS * data.DIMENSION * 4 / 1e6
        assert variant["opened"]["first_answer_ms"] > variant["opened"]["open_ms"] > 0
    assert found["pocket"]["best"]["0.9"]["times_pocket"] == 1.0
    assert (tmp_path / f"clustered-{ITEMS}.png").stat().st_size > 10_000
    assert "| Pocket Searcher int8, `search_embedding`, bare" in (tmp_path / report.TABLE).read_text()
