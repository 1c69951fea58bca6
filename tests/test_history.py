"""The benchmark history: one JSON file a release, all in one form."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import history

KEYS = {"value", "unit", "better", "target"}


@pytest.fixture
def measured(tmp_path):
    """What the targets leave in `build/`."""
    best = {"p50_ms": 0.09, "p99_ms": 0.2, "bytes_per_item": 137.7, "cpu_seconds": 23, "times_pocket": 1.0}
    ours = {"best": {"0.9": {"p50_ms": 0.05}, "0.95": best}, "opened": {"open_ms": 0.812}}
    slower = {"best": {"0.9": None, "0.95": best | {"times_pocket": 4.2}}, "opened": {"open_ms": 3}}
    short = {"best": {"0.9": None, "0.95": None}, "opened": {"open_ms": 3}}
    variants = {"pocket": ours, "pocket-task": ours, "task-library-float": slower, "usearch": short}
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "results.json").write_text(json.dumps({"data": {"flickr-10": {"variants": variants, "skipped": {}}}}))
    (tmp_path / "scale").mkdir()
    scale = dict.fromkeys(history.OF_SCALE, 1.5) | {"queries": 7}
    (tmp_path / "scale" / "1000000x128.json").write_text(json.dumps(scale))
    return tmp_path


def test_figures_of_the_targets_that_were_run_are_written(measured, tmp_path, capsys):
    assert history.main(["9.9.9", "--build", str(measured), "--folder", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "9.9.9.json").read_text())
    figures = {name: figure["value"] for name, figure in written["figures"].items()}
    assert written["version"] == "9.9.9"
    assert figures["bench.flickr-10.p50_ms"] == 0.09
    assert figures["bench.flickr-10.open_ms"] == 0.81
    assert figures["bench.flickr-10.task-library-float.times_ours"] == 4.2
    assert figures["scale.1000000x128.index_s"] == 1.5
    assert len(figures) == 6 + 1 + len(history.OF_SCALE)
    said = capsys.readouterr().err
    assert "flickr/searcher.tflite is missing; make bench-flickr makes it" in said
    assert "10000000x64.json is missing; make bench-ten-million makes it" in said


def test_nothing_measured_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        history.main(["9.9.9", "--build", str(tmp_path), "--folder", str(tmp_path)])
    assert "nothing was measured" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("path", sorted(history.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_published_figures_have_one_form(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["version"] == path.stem
    assert set(content) == {"version", "date", "machine", "figures"}
    for name, figure in content["figures"].items():
        assert set(figure) == KEYS, name
        assert isinstance(figure["value"], int | float)
        assert figure["better"] in ("higher", "lower")
        assert figure["target"].startswith("make ")
