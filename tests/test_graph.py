from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from maker.errors import BuildError, EncoderError
from maker.graph.flatbuffer import Chunks
from maker.graph.model import Model
from maker.graph.source import Source
from task.format import tflite_model


def run(path: Path, **query: np.ndarray) -> dict[str, np.ndarray]:
    return Interpreter(model_path=str(path)).get_signature_runner()(**query)


def test_a_constant_used_by_two_signatures_is_stored_once(tmp_path):
    weights = np.random.default_rng(0).standard_normal((500, 40)).astype(np.float32)
    sizes = []
    for count in (1, 2):
        model = Model("test")
        for number in range(count):
            g = model.subgraph(f"s{number}")
            query = g.tensor("query", (1, 40), np.float32)
            model.signature(g, {"query": query}, {"out": g.fully_connected(query, weights)})
        sizes.append(model.write(tmp_path / "m.tflite"))
    assert sizes[1] - sizes[0] < weights.nbytes / 10


def test_every_constant_starts_at_a_multiple_of_sixteen(tmp_path):
    constants = [np.array(values, np.float32) for values in ([0, 1, 2], [0.5], [5, 6, 7])]
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("query", (3,), np.float32)
    x = query
    for constant in constants:
        x = g.add(x, constant)
    model.signature(g, {"query": query}, {"out": x})
    model.write(tmp_path / "m.tflite")
    content = (tmp_path / "m.tflite").read_bytes()
    held = [bytes(buffer.data) for buffer in Source(tmp_path / "m.tflite").model.buffers if buffer.data is not None]
    assert {constant.tobytes() for constant in constants} <= set(held)
    assert {content.index(constant.tobytes()) % 16 for constant in constants} == {0}
    assert run(tmp_path / "m.tflite", query=np.ones(3, np.float32))["out"].tolist() == [6.5, 8.5, 10.5]


def test_a_constant_in_pieces_reads_back_whole(tmp_path):
    table = np.arange(60, dtype=np.float32).reshape(20, 3)
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("query", (2,), np.int32)
    chunks = Chunks((table[i : i + 7] for i in range(0, 20, 7)), (20, 3), np.float32)
    model.signature(g, {"query": query}, {"out": g.gather(g.constant(chunks), query)})
    model.write(tmp_path / "m.tflite")
    assert np.array_equal(run(tmp_path / "m.tflite", query=np.array([19, 4], np.int32))["out"], table[[19, 4]])


def test_constants_are_found_by_the_signature_whose_graph_has_them(tmp_path):
    model = Model("test")
    for number in (1, 2):
        g = model.subgraph(f"s{number}")
        x = query = g.tensor("query", (3,), np.float32)
        for value in (number, 10 * number):
            x = g.add(x, g.constant(np.full(3, value, np.float32), "shift"))
        model.signature(g, {"query": query}, {"out": x})
    model.write(tmp_path / "m.tflite")
    content = (tmp_path / "m.tflite").read_bytes()
    for number in (1, 2):
        found = tflite_model.constants(content, f"s{number}")
        assert set(found) == {"shift"}
        assert (found["shift"].shape, found["shift"].scale) == ((3,), 1)
        assert np.frombuffer(content, "<f4", 3, found["shift"].offset).tolist() == [10 * number] * 3  # the last one of that name
    assert tflite_model.constants(content, "s3") == {}


def test_pieces_that_do_not_add_up_are_an_error(tmp_path):
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("query", (1,), np.int32)
    model.signature(g, {"query": query}, {"out": g.gather(g.constant(Chunks(iter([np.zeros(3, np.float32)]), (9,), np.float32)), query)})
    with pytest.raises(BuildError, match="was announced"):
        model.write(tmp_path / "m.tflite")


def test_a_file_beyond_two_gigabytes_is_refused_before_anything_is_written(tmp_path):
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("query", (1,), np.int32)
    model.signature(g, {"query": query}, {"out": g.gather(g.constant(Chunks(iter(()), (3_000_000, 1024), np.int8)), query)})
    with pytest.raises(BuildError, match=r"2\.15 GB.*fewer dimensions"):
        model.write(tmp_path / "m.tflite")
    assert not (tmp_path / "m.tflite").exists()


def test_inlining_takes_only_the_operators_that_the_wanted_tensor_needs(tmp_path):
    first = Model("source")
    g = first.subgraph("s")
    query = g.tensor("query", (2,), np.float32)
    inner = g.add(query, np.array([1, 1], np.float32))
    first.signature(g, {"query": query}, {"out": g.mul(inner, np.array([5, 5], np.float32))})
    first.write(tmp_path / "a.tflite")
    source = Source(tmp_path / "a.tflite")
    second = Model("target")
    g = second.subgraph("s")
    query = g.tensor("query", (2,), np.float32)
    (out,) = g.inline(source, {source.inputs()[0].index: query}, [inner])
    second.signature(g, {"query": query}, {"out": out})
    second.write(tmp_path / "b.tflite")
    assert len(Source(tmp_path / "b.tflite").subgraph().operators) == 1
    assert run(tmp_path / "b.tflite", query=np.array([1, 2], np.float32))["out"].tolist() == [2.0, 3.0]


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"not a model at all")
    with pytest.raises(EncoderError, match=r"x\.tflite: not a TFLite model"):
        Source(tmp_path / "x.tflite")


def test_a_missing_tensor_error_lists_those_that_are_there(tmp_path, encoder):
    with pytest.raises(EncoderError, match=r"no tensor 'nowhere'; the last ones are"):
        Source(encoder).tensor("nowhere")


def test_the_runtime_version_follows_from_the_operators():
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("query", (4,), np.int32)
    assert model.min_runtime_version() == "1.14.0"
    g.cumsum(query)
    assert model.min_runtime_version() == "2.4.0"
