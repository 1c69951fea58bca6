from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from maker.encoders.row_blocks import write_by_rows
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


def written(tmp_path: Path, inputs: dict[str, np.ndarray], write) -> dict[str, np.ndarray]:
    """Runs a graph of one signature; `write` gets the subgraph and the inputs' tensors and returns outputs by name."""
    model = Model("test")
    g = model.subgraph("s")
    given = {name: g.tensor(name, value.shape, value.dtype) for name, value in inputs.items()}
    model.signature(g, given, write(g, *given.values()))
    model.write(tmp_path / "m.tflite")
    return run(tmp_path / "m.tflite", **inputs)


def test_comparisons_logic_and_choices_are_numpy_s(tmp_path):
    a, b = np.array([1, 2, 3, -4], np.int32), np.array([3, 2, 1, -4], np.int32)

    def write(g, x, y):
        both = g.logical_and(g.greater_equal(x, y), g.not_equal(x, np.int32(3)))
        return {
            "chosen": g.select(g.less(x, y), x, np.array([7], np.int32)),
            "both": g.cast(both, np.int32),
            "either": g.cast(g.logical_or(g.logical_not(g.less_equal(x, y)), g.equal(x, y)), np.int32),
            "more": g.cast(g.greater(x, y), np.int32),
        }

    found = written(tmp_path, {"x": a, "y": b}, write)
    assert found["chosen"].tolist() == [1, 7, 7, 7]
    assert found["both"].tolist() == [0, 1, 0, 1]
    assert found["either"].tolist() == [0, 1, 1, 1]
    assert found["more"].tolist() == [0, 0, 1, 0]


def test_scatter_adds_what_falls_on_one_place_and_segments_have_their_least(tmp_path):
    index, values = np.array([2, 0, 2, 2], np.int32), np.array([5, 7, 3, 4], np.int32)
    found = written(
        tmp_path,
        {"index": index, "values": values},
        lambda g, at, x: {
            "sums": g.scatter(at, x, 4),
            "least": g.segment_min(x, at, 3),
            "first": g.reshape(g.arg_max(g.reshape(x, (1, 4)), 1), (1,)),
            "smallest": g.reshape(g.reduce_min(x, 0), (1,)),
            "any": g.reshape(g.cast(g.reduce_any(g.equal(x, np.int32(3)), 0), np.int32), (1,)),
        },
    )
    assert found["sums"].tolist() == [7, 0, 12, 0]
    assert found["least"].tolist() == [7, np.iinfo(np.int32).max, 3]
    assert [found[name].tolist() for name in ("first", "smallest", "any")] == [[1], [3], [1]]


def collatz(g, x):
    """Steps to 1 of each start, at most 50, by a loop with a choice in it, which is behind a choice itself."""
    one = np.int32(1)

    def round_(g, v):
        value, steps = v
        running = g.cast(g.greater(value, one), np.int32)
        odd = g.floor_mod(value, np.int32(2))
        grown = g.add(g.mul(value, np.int32(3)), one)
        following = g.select(g.greater(odd, np.int32(0)), grown, g.floor_div(value, np.int32(2)))
        return [g.select(g.greater(running, np.int32(0)), following, value), g.add(steps, running)]

    def more(g, v):
        return g.greater(g.reduce_max(v[0], 0), one)

    def counted(g, v):
        return g.loop("collatz", [v[0], g.mul(v[0], np.int32(0))], more, round_, most=50)[1:]

    anything = g.greater(g.reduce_max(x, 0), one)
    return g.if_else("any", anything, [x], counted, lambda g, v: [g.sub(v[0], v[0])])


def test_loops_and_choices_run_and_the_counter_ends_a_loop(tmp_path):
    for start, steps in (([6, 1, 7], [8, 0, 16]), ([1, 1, 1], [0, 0, 0]), ([27, 1, 1], [50, 0, 0])):
        found = written(tmp_path, {"x": np.array(start, np.int32)}, lambda g, x: {"steps": collatz(g, x)[0]})
        assert found["steps"].tolist() == steps


def test_a_branch_that_hands_on_its_input_keeps_it(tmp_path):
    def write(g, x):
        first = g.reshape(g.slice(x, (0,), (1,)), ())
        swapped = g.if_else("swap", g.greater(first, np.int32(0)), [x, g.mul(x, np.int32(2))], lambda g, v: v[::-1], lambda g, v: v)
        return dict(zip("ab", swapped, strict=True))

    for value, expected in ((3, ([6], [3])), (-3, ([-3], [-6]))):
        found = written(tmp_path, {"x": np.array([value], np.int32)}, write)
        assert (found["a"].tolist(), found["b"].tolist()) == expected


def test_calls_with_one_key_share_one_part(tmp_path):
    weights = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    model = Model("calls")
    for name in ("once", "twice"):
        g = model.subgraph(name)
        query = x = g.tensor("query", (1, 4), np.float32)
        for _ in range(1 + (name == "twice")):
            (x,) = g.call("layer", [x], lambda g, v: [g.fully_connected(v[0], weights)], key="layer")
        model.signature(g, {"query": query}, {"out": x})
    model.write(tmp_path / "m.tflite")
    assert len(Source(tmp_path / "m.tflite").model.subgraphs) == 3
    interpreter, query = Interpreter(model_path=str(tmp_path / "m.tflite")), np.array([[1, -2, 3, 0.5]], np.float32)
    for name, expected in (("once", query @ weights.T), ("twice", query @ weights.T @ weights.T)):
        np.testing.assert_allclose(interpreter.get_signature_runner(name)(query=query)["out"], expected, rtol=1e-5)


@pytest.mark.parametrize(("side", "calls"), [(4, 0), (800, 1)])
def test_only_a_call_with_large_weights_stays_one_where_it_is_copied(tmp_path, side, calls):
    weights = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    query = np.ones((1, side), np.float32)
    model = Model("calls")
    g = model.subgraph("given")
    x = g.tensor("query", (1, side), np.float32)
    (y,) = g.call("layer", [x], lambda g, v: [g.fully_connected(v[0], weights)], key="layer")
    model.signature(g, {"query": x}, {"out": y})
    model.write(tmp_path / "m.tflite")
    source = Source(tmp_path / "m.tflite")
    copied = Model("copied")
    g = copied.subgraph("copy")
    x = g.tensor("query", (1, side), np.float32)
    (y,) = g.inline(source, {source.inputs("given")[0].index: x}, [source.outputs("given")[0].index], "given")
    copied.signature(g, {"query": x}, {"out": g.copy(y)})
    copied.write(tmp_path / "c.tflite")
    assert len(Source(tmp_path / "c.tflite").model.subgraphs) == 1 + calls
    out = Interpreter(model_path=str(tmp_path / "c.tflite")).get_signature_runner("copy")(query=query)["out"]
    np.testing.assert_allclose(out, query @ weights.T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("count", [5, 16, 40])
def test_layers_of_rows_give_the_same_in_blocks(tmp_path, count):
    rng = np.random.default_rng(1)
    weights, x = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal((count, 4)).astype(np.float32)
    model = Model("rows")
    g = model.subgraph("rows")
    query = g.tensor("query", (count, 4), np.float32)
    layers = lambda g, v: [g.fully_connected(v[0], weights), g.mul(v[0], v[0])]  # noqa: E731
    first, second = write_by_rows(g, "layers", [query], layers, key="layers")
    model.signature(g, {"query": query}, {"first": first, "second": second})
    model.write(tmp_path / "m.tflite")
    made = run(tmp_path / "m.tflite", query=x)
    np.testing.assert_allclose(made["first"], x @ weights.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["second"], x * x, rtol=1e-6)


def test_a_round_that_changes_a_shape_is_refused(tmp_path):
    with pytest.raises(BuildError, match="loop grow: a round turns"):
        written(
            tmp_path,
            {"x": np.ones(2, np.float32)},
            lambda g, x: {
                "out": g.loop("grow", [x], lambda g, v: g.equal(np.int32(1), np.int32(1)), lambda g, v: [g.concat([v[0], v[0]])], 3)[0]
            },
        )
    with pytest.raises(BuildError, match="if shapes: one part makes"):
        written(
            tmp_path,
            {"x": np.ones(2, np.float32)},
            lambda g, x: {
                "out": g.if_else("shapes", g.constant(np.array(True)), [x], lambda g, v: v, lambda g, v: [g.concat([v[0], v[0]])])[0]
            },
        )


def test_control_flow_is_inlined_and_written_again(tmp_path):
    first = Model("source")
    g = first.subgraph("s")
    query = g.tensor("query", (3,), np.int32)
    first.signature(g, {"query": query}, {"steps": collatz(g, query)[0]})
    first.write(tmp_path / "a.tflite")
    for generation in range(3):
        source = Source(tmp_path / "a.tflite")
        second = Model("target")
        for name in ("embed", "search"):  # the parts are shared
            g = second.subgraph(name)
            query = g.tensor("query", (3,), np.int32)
            (steps,) = g.inline(source, {source.inputs()[0].index: query}, [source.outputs()[0].index])
            second.signature(g, {"query": query}, {"steps": g.add(steps, np.int32(generation))})
        second.write(tmp_path / "b.tflite")
        assert len(Source(tmp_path / "b.tflite").model.subgraphs) == 2 + 2 * 2
        interpreter = Interpreter(model_path=str(tmp_path / "b.tflite"))
        for name in ("search", "embed", "search"):
            found = interpreter.get_signature_runner(name)(query=np.array([6, 1, 7], np.int32))
            assert found["steps"].tolist() == [8 + generation, generation, 16 + generation]
    assert second.min_runtime_version() == "2.2.0"
