"""The release that a file names as the oldest it runs on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import BuiltinOperator as Op

from maker import searcher
from maker.graph import runtime_version
from maker.graph.model import Model
from maker.graph.source import Source
from tests.portable.ask import __file__ as ask
from tests.portable.environments import LEGACY, OLD_TENSORFLOW, ROOT
from tests.portable.files import image_towers
from tests.portable.run import compared, golden_queries


def stated(path: Path) -> str:
    source = Source(path)
    (entry,) = (m for m in source.model.metadata if m.name == b"min_runtime_version")
    return bytes(np.asarray(source.model.buffers[entry.buffer].data, np.uint8)).rstrip(b"\0").decode()


def operators(path: Path) -> list[tuple[int, int]]:
    return [(max(c.builtinCode, c.deprecatedBuiltinCode), c.version) for c in Source(path).model.operatorCodes]


@pytest.mark.parametrize(
    "scorer",
    [{"score_ah": searcher.ScoreAH(1)}, {"score_ah": searcher.ScoreAH(4)}, {"score_brute_force": searcher.ScoreBruteForce()}],
    ids=["int8", "product", "float32"],
)
@pytest.mark.parametrize("distance", ["dot_product", "squared_l2"])
@pytest.mark.parametrize("tree", [None, searcher.Tree(8, 2)], ids=["exact", "tree"])
def test_every_operator_of_a_searcher_is_in_the_list(encoder, embeddings, tmp_path, tree, distance, scorer):
    path = tmp_path / "s.tflite"
    data = searcher.DataLoader(str(encoder), embeddings, [str(i) for i in range(len(embeddings))])
    options = searcher.ScaNNOptions(distance, tree=tree, **scorer)
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=path)
    for operator, version in operators(path):
        assert runtime_version.since(operator, version) is not None, (operator, version)
    assert stated(path) == OLD_TENSORFLOW  # CUMSUM, of the tokenizer
    options = searcher.ScaNNOptions(distance, tree=tree, **scorer)
    data = searcher.DataLoader(None, embeddings, [str(i) for i in range(len(embeddings))])
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=path)
    assert stated(path) == "1.14.0"


def test_what_is_not_listed_asks_for_the_newest():
    assert runtime_version.since(Op.FULLY_CONNECTED, 12) is None
    assert runtime_version.since(Op.BITWISE_XOR, 1) is None
    assert runtime_version.since(Op.FLOOR, 1) == "1.14.0"


def test_the_list_agrees_with_tensorflow_s_own(tmp_path):
    import tensorflow as tf

    images, vectors, numbers = (tf.TensorSpec(s, t) for s, t in (((1, 8, 8, 4), tf.float32), ((2, 6), tf.float32), ((6,), tf.int32)))
    kernel = tf.constant(np.random.default_rng(0).standard_normal((3, 3, 4, 4)).astype(np.float32))
    cases = {
        "convolution": (lambda x: tf.reduce_mean(tf.nn.relu6(tf.nn.conv2d(x, kernel, 2, "SAME")), [1, 2]), images),
        "hard swish": (lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6), images),
        "gelu": (lambda x: tf.nn.gelu(x, approximate=True), vectors),
        "attention": (lambda x: tf.nn.softmax(tf.matmul(x, x, transpose_b=True)) @ x, vectors),
        "cumulative": (tf.cumsum, numbers),
        "choice": (lambda x: tf.where(x > 2, x, tf.gather(x, tf.math.floormod(x, 6))), numbers),
        "largest": (lambda x: tf.math.top_k(x, 3), vectors),
        "loop": (lambda x: tf.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, y + x), [0, x])[1], numbers),
        "branch": (lambda x: tf.cond(tf.reduce_any(x >= 3), lambda: x * 2, lambda: x + 1), numbers),
        "logic": (lambda x: tf.cast(((x > 1) & (x <= 5)) | ~(x >= 2), tf.int32), numbers),
        "scattered": (lambda x: tf.scatter_nd(x[:, None], x, [9]), numbers),
        "least of segments": (lambda x: tf.math.unsorted_segment_min(x, x, 9), numbers),
        "least": (lambda x: tf.reduce_min(x, 0, keepdims=True), numbers),
        "slices": (lambda x: tf.concat([x[:, 1:3], tf.tile(x[:, :1], [1, 2])], 1), vectors),
    }
    for name, (function, given) in cases.items():
        concrete = tf.function(function, input_signature=[given]).get_concrete_function()
        (tmp_path / f"{name}.tflite").write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert())
    image_towers(tmp_path)  # a network in float32, and quantised
    found = {path.stem: (stated(path), runtime_version.required(Source(path).model)) for path in tmp_path.glob("*.tflite")}
    assert len(found) == len(cases) + 2
    assert len({theirs for theirs, _ in found.values()}) > 4
    for name, (theirs, ours) in found.items():
        assert ours == max(theirs, runtime_version.BASE, key=lambda release: [int(n) for n in release.split(".")]), name


def test_a_searcher_answers_on_the_oldest_release_that_it_names(searcher_file):
    python = ROOT / "build" / "portable" / LEGACY[0].replace("==", "-") / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is not here: `make test-portable` makes it, with CPython 3.8")
    golden = golden_queries(searcher_file)
    done = subprocess.run(
        [str(python), ask, "tensorflow", str(searcher_file)], input=json.dumps(golden), capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    equal, worst = compared(golden, answer["answers"])
    assert answer["version"] == stated(searcher_file) == OLD_TENSORFLOW
    assert equal == [True] * sum(g["signature"] == "search_text" for g in golden)
    assert worst < 1e-5


def with_layer(path: Path, channels: bool) -> Path:
    """A model of a dense layer over float32 with int8 weights, of a scale per channel or one, in the version that converters give it."""
    model = Model("layer")
    g = model.subgraph("main")
    query = g.tensor("query", (1, 4), np.float32)
    weights = g.constant(np.ones((3, 4), np.int8), "weights", 0.5)
    if channels:
        g.table.tensors[weights].quantization.scale = [0.5, 0.25, 0.125]
        g.table.tensors[weights].quantization.zeroPoint = [0, 0, 0]
    output = g.tensor("output", (1, 3), np.float32)
    options = schema.FullyConnectedOptionsT()
    g.operator(Op.FULLY_CONNECTED, [query, weights], [output], options, schema.BuiltinOptions.FullyConnectedOptions, 5 if channels else 3)
    model.signature(g, {"query": query}, {"output": output})
    model.write(path)
    return path


def test_a_scale_per_channel_under_floats_asks_for_the_newest(tmp_path):
    assert stated(with_layer(tmp_path / "one.tflite", channels=False)) == "1.14.0"
    assert stated(with_layer(tmp_path / "many.tflite", channels=True)) == runtime_version.UNKNOWN


def test_a_lookup_in_float16_asks_for_the_newest(tmp_path):
    model = Model("lookup")
    g = model.subgraph("main")
    query = g.tensor("query", (1,), np.int32)
    row = g.gather(g.constant(np.ones((3, 4), np.float16), "table"), query)
    model.signature(g, {"query": query}, {"row": row})
    model.write(tmp_path / "half.tflite")
    assert stated(tmp_path / "half.tflite") == runtime_version.UNKNOWN
