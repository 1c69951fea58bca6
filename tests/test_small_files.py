"""Files small enough for an app: encoders that are left out, heads in 8 bits, and what the parts of a file weigh."""

from __future__ import annotations

import re

import numpy as np
import pytest

from maker.cli import main
from maker.embedding.project import project, write_head
from maker.encoders.layers import Dense, Gelu, LayerNorm, Scale, SideBySide, Standardise, Sum, Unit, in_int8
from maker.encoders.low_rank import low_rank
from maker.evaluation.file_parts import DIALS, file_parts
from maker.graph.source import Source
from task.core import BaseOptions
from task.search import GraphEngine


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join(f"a red kite {number}" for number in range(60)), encoding="utf-8")
    return path


def build(photos, output, *more):
    return main(["build", "--images", str(photos), "--output", str(output), "--no-report", *map(str, more)])


@pytest.mark.parametrize(("queries", "kind"), [("text", "text"), ("image", "image")])
def test_the_encoder_that_is_not_asked_for_is_left_out(photos, encoder, own, tmp_path, queries, kind):
    output = tmp_path / f"{queries}.tflite"
    assert build(photos, output, "--encoder", encoder, "--query-list", own, "--queries", queries) == 0
    engine = GraphEngine(BaseOptions(str(output)))
    assert set(engine.signatures) == {f"search_{kind}", f"embed_{kind}", "search_embedding"}
    engine.close()
    parts = file_parts(output, Source(output))
    assert {name for name in parts if name.endswith("tower")} == {f"{kind} tower"}


def test_a_head_in_8_bits_embeds_as_one_in_32(tmp_path, rng):
    width, hidden, dimension = 256, 128, 32

    def dense(inputs, outputs, bias=True):
        values = rng.standard_normal((inputs, outputs)).astype(np.float32) / np.sqrt(inputs)
        return Dense(values, rng.standard_normal(outputs).astype(np.float32) if bias else None)

    norm = LayerNorm(np.ones(width, np.float32), np.zeros(width, np.float32))
    head = [norm, Sum([[dense(width, dimension)], [dense(width, hidden), Gelu(), dense(hidden, dimension, bias=False)]])]
    features = np.maximum(rng.standard_normal((50, width)), 0).astype(np.float32)
    made, sizes = [], []
    for name, layers in (("float.tflite", head), ("int8.tflite", in_int8(head))):
        write_head(tmp_path / name, layers, width)
        made.append(project(features, tmp_path / name))
        sizes.append((tmp_path / name).stat().st_size)
    assert np.einsum("nd,nd->n", *made).min() > 0.999
    assert sizes[1] < 0.3 * sizes[0]


@pytest.mark.parametrize("second", [False, True])
def test_a_head_of_lower_rank_embeds_the_images_it_was_fitted_to_alike(tmp_path, rng, second):
    """The features lie in 12 of 96 dimensions, so that 16 directions are enough for all branches."""
    features = (rng.standard_normal((300, 12)) @ rng.standard_normal((12, 96))).astype(np.float32)
    plain = LayerNorm(np.ones(96, np.float32), np.zeros(96, np.float32))
    norm = LayerNorm(*(rng.uniform(0.5, 1.5, (2, 96)).astype(np.float32)))

    def dense(inputs, outputs):
        values = rng.standard_normal((inputs, outputs)).astype(np.float32) / np.sqrt(inputs)
        return Dense(values, rng.standard_normal(outputs).astype(np.float32))

    scaling = Standardise.of(features)
    trained = [norm, Sum([[dense(96, 8)], [dense(96, 64), Gelu(), dense(64, 8)]])]
    head = [scaling, *trained]
    if second:
        solved = [plain, dense(96, 8), Unit(), Scale(0.5)]
        head = [scaling, SideBySide([[*trained, Unit()], solved]), dense(16, 8), Unit()]
    made, sizes = [], []
    for name, layers in (("whole.tflite", head), ("narrow.tflite", low_rank(head, features, 16))):
        write_head(tmp_path / name, layers, 96)
        made.append(project(features[:40], tmp_path / name))
        sizes.append((tmp_path / name).stat().st_size)
    assert np.einsum("nd,nd->n", *made).min() > 0.999
    assert sizes[1] < 0.6 * sizes[0]


def test_a_rank_of_one_keeps_one_direction_everywhere(rng):
    first, second = (Dense(rng.standard_normal(shape).astype(np.float32)) for shape in ((32, 64), (64, 16)))
    head = [LayerNorm(np.ones(32, np.float32), np.zeros(32, np.float32)), Sum([[first, Gelu(), second]])]
    (branch,) = low_rank(head, rng.standard_normal((50, 32)), 1)[-1].branches
    assert [layer.weights.shape for layer in branch if isinstance(layer, Dense)] == [(1, 64), (64, 1), (1, 16)]


def test_a_rank_that_saves_nothing_leaves_a_head_as_it_is(rng):
    dense = Dense(rng.standard_normal((96, 8)).astype(np.float32))
    head = [LayerNorm(np.ones(96, np.float32), np.zeros(96, np.float32)), Sum([[dense]])]
    assert low_rank(head, rng.standard_normal((50, 96)), 64) == head
    assert low_rank([dense, Unit()], rng.standard_normal((50, 96)), 2) == [dense, Unit()]


def test_the_summary_of_a_file_says_what_makes_its_large_parts_smaller(photos, encoder, own, tmp_path, capsys):
    output = tmp_path / "album.tflite"
    assert build(photos, output, "--encoder", encoder, "--query-list", own) == 0
    capsys.readouterr()
    assert main(["inspect", str(output)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  text tower")]
    assert lines[0].endswith(DIALS["text tower"])


def test_a_file_that_cannot_be_so_small_names_its_largest_parts(photos, encoder, own, tmp_path, capsys):
    status = build(photos, tmp_path / "tiny.tflite", "--encoder", encoder, "--query-list", own, "--max-size", "2k")
    assert status == 1
    error = capsys.readouterr().err
    assert f"The largest parts: other parts 0.10 MB; text tower 0.09 MB ({DIALS['text tower']}); " in error


def test_every_dial_is_an_option_of_the_build(capsys):
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {option for dial in DIALS.values() for option in re.findall(r"--[a-z-]+", dial)} <= known
