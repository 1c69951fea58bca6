"""Asks a runtime a searcher's golden queries; needs Python 3.8, NumPy and the runtime, and nothing of this project.

python ask.py ai_edge_litert|tflite_runtime|tensorflow searcher.tflite < queries.json

The queries are the manifest's golden ones, each with the `shape` of its tensor. Prints JSON: the runtime's version, the machine, and
`[ids, distances]` a query. A runtime from before signatures is asked by the tensors of the first subgraph; it has null for the queries of
other signatures.
"""

# ruff: noqa: T201 - its output is what it is for

import importlib
import json
import platform
import sys

import numpy as np

DISTRIBUTIONS = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime", "tensorflow": "tensorflow"}


def open_interpreter(runtime, path):
    """The runtime's interpreter with the file loaded, and the runtime's version."""
    if runtime == "tensorflow":
        import tensorflow as tf

        return tf.lite.Interpreter(path, num_threads=1), tf.__version__
    from importlib.metadata import version

    module = importlib.import_module(runtime + ".interpreter")
    return module.Interpreter(path, num_threads=1), version(DISTRIBUTIONS[runtime])


def query_tensor(entry):
    """A golden query as the tensor that docs/format.md says."""
    shape = entry["shape"]
    if entry["signature"] == "search_text":
        data = entry["query"].encode()
        query = np.zeros(shape, np.uint8)
        query[0, : len(data)] = np.frombuffer(data, np.uint8)
        return query
    if entry["signature"] == "search_image":
        y, x, c = np.ogrid[: shape[1], : shape[2], :3]
        return ((3 * x + 5 * y + 60 * c) % 256).astype(np.uint8)[None]
    return np.array([entry["query"]], np.float32)


def by_signature(interpreter, entry):
    """Distances and ids, `[1, k]` each."""
    found = interpreter.get_signature_runner(entry["signature"])(query=query_tensor(entry))
    return found["distances"], found["ids"]


def by_tensor(interpreter, entry):
    """The same of the first subgraph, whose outputs are told apart by their type; None for the signatures of others."""
    (given,) = interpreter.get_input_details()
    if given["shape"].tolist() != entry["shape"]:
        return None
    interpreter.set_tensor(given["index"], query_tensor(entry))
    interpreter.invoke()
    found = {np.dtype(o["dtype"]).kind: interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()}
    return found["f"], found["i"]


def main():
    """Asks what standard input holds."""
    runtime, path = sys.argv[1:]
    interpreter, version = open_interpreter(runtime, path)
    named = hasattr(interpreter, "get_signature_runner")
    if not named:
        interpreter.allocate_tensors()
    answers = []
    for entry in json.load(sys.stdin):
        found, count = (by_signature if named else by_tensor)(interpreter, entry), len(entry["ids"])
        answers.append(None if found is None else [found[1][0, :count].tolist(), found[0][0, :count].astype(float).tolist()])
    print(
        json.dumps(
            {"version": version, "machine": platform.machine(), "python": "CPython " + platform.python_version(), "answers": answers}
        )
    )


if __name__ == "__main__":
    main()
