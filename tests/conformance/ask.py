"""Asks a library the same questions: `ask.py JOBS ANSWERS {tflite_support,task}`; both are asked with this one script.

A job names its kind, model and options; its answer is what each query gave, or the error's classes.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import numpy as np


def main(jobs: str, answers: str, library: str) -> None:
    """Answers every job of a file."""
    if library == "tflite_support":
        sys.modules["tensorflow"] = None  # type: ignore[assignment] # imported where installed, and then both break
        from tflite_support.task import core, processor, text, vision
    else:
        from task import core, processor, text, vision
    libraries = {"core": core, "processor": processor, "text": text, "vision": vision}
    with open(jobs, encoding="utf-8") as file:
        content = json.load(file)
    with open(answers, "w", encoding="utf-8") as file:
        for job in content:
            file.write(json.dumps(answer(job, libraries)) + "\n")
            file.flush()


def answer(job: dict[str, Any], libraries: dict[str, Any]) -> dict[str, Any]:
    """What the library says to a job."""
    try:
        if job["kind"] == "IndexBuilder":
            return {"results": [built_index(job)]}
        opened = opened_task(job, libraries)
        results = [ask(opened, job, query, libraries) for query in job["queries"]]
    except Exception as error:
        return {"error": [c.__name__ for c in type(error).__mro__], "message": str(error)}
    found = {"results": results}
    if hasattr(opened, "get_user_info"):
        found["user_info"] = opened.get_user_info()
    return found


def built_index(job: dict[str, Any]) -> str:
    """An index's bytes in hexadecimal, made of the same parts by the builder of either library."""
    parts = np.load(job["parts"])
    rows, leaves, config, compress = parts["rows"], parts["leaves"], parts["config"].tobytes(), job["compress"]
    metadata = [bytes.fromhex(m) for m in job["metadata"]]
    if "task" in sys.modules:
        from task.task_library import scann_file, snappy
        from task.task_library.scann_messages import EmbeddingType, IndexConfig, ScannOnDeviceConfig

        kind = EmbeddingType.FLOAT if rows.dtype == np.float32 else EmbeddingType.UINT8
        order = [np.flatnonzero(leaves == leaf) for leaf in range(leaves.max() + 1)]
        index = IndexConfig(scann_config=ScannOnDeviceConfig.decode(config), embedding_type=kind)
        target = io.BytesIO()
        ordered = [metadata[i] for i in np.concatenate(order)]
        scann_file.encode(target, index, [rows[o] for o in order], ordered, b"info", snappy.compress if compress else None)
        return target.getvalue().hex()
    from tensorflow_lite_support.scann_ondevice.cc.python import index_builder

    database = {"float_database" if rows.dtype == np.float32 else "hashed_database": rows.reshape(-1)}
    build = index_builder.create_serialized_index_file
    return bytes(build(rows.shape[1], config, "info", leaves.astype(np.uint32), metadata, compress, **database)).hex()


def opened_task(job: dict[str, Any], libraries: dict[str, Any]) -> Any:
    """A searcher or embedder."""
    core, processor = libraries["core"], libraries["processor"]
    module = libraries["text" if job["kind"].startswith("Text") else "vision"]
    base = {"file_name": job.get("model")}
    if "content" in job:
        base = {"file_content": bytes.fromhex(job["content"])}
    embedding = processor.EmbeddingOptions(l2_normalize=job.get("l2_normalize"), quantize=job.get("quantize"))
    options = {"base_options": core.BaseOptions(**base), "embedding_options": embedding}
    if job["kind"].endswith("Searcher"):
        options["search_options"] = processor.SearchOptions(index_file_name=job.get("index"), max_results=job.get("max_results", 5))
    cls = getattr(module, job["kind"])
    return cls.create_from_options(getattr(module, job["kind"] + "Options")(**options))


def ask(opened: Any, job: dict[str, Any], query: Any, libraries: dict[str, Any]) -> Any:
    """One query's answer."""
    box = ()
    if job["kind"].startswith("Image"):
        pixels = np.load(query)  # the Task Library does not keep the array alive
        query = libraries["vision"].TensorImage.create_from_array(pixels)
        if "box" in job:
            box = (libraries["processor"].BoundingBox(*job["box"]),)
    if job["kind"].endswith("Searcher"):
        return [[bytes(n.metadata).hex(), float(n.distance)] for n in opened.search(query, *box).nearest_neighbors]
    return [e.feature_vector.value.astype(float).tolist() for e in opened.embed(query, *box).embeddings]


if __name__ == "__main__":
    main(*sys.argv[1:])
