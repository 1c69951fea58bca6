"""Frozen image encoders with the `words` text encoder: MobileNetV2 and EfficientNet-Lite2, and what each part of the recipe is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.retrieval.corpus import Built, Flickr
from tests.benchmarks.retrieval.rows import Row, mean
from tests.outside_data import WEIGHTS

MOBILENET = f"tflite:{WEIGHTS / 'mobilenet_v2_1.0_224_quant.tflite'}#MobilenetV2/Logits/AvgPool"
EFFICIENTNET = f"tflite:{WEIGHTS / 'efficientnet_lite2_260_int8.tflite'}"
PLAIN = {"phrase_weight": 0.0, "second_weight": 0.0, "hub_bias": 0.0}
# What is left out of the default: options of the towers, and of the training.
WITHOUT: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("the recipe of 0.1.0", {"inner_layers": False, "views": 1}, PLAIN),
    ("without inner layers", {"inner_layers": False}, {}),
    ("with one view", {"views": 1}, {}),
    ("without phrases as labels", {}, {"phrase_weight": 0.0}),
    ("without the second encoder", {}, {"second_weight": 0.0}),
    ("without hub bias", {}, {"hub_bias": 0.0}),
)


def rows(flickr: Flickr, seeds: int) -> list[Row]:
    """The lines of this part."""
    mobilenet = [flickr.build("mobilenet", MOBILENET, seed) for seed in range(seeds)]
    found = [
        *_recalls("MobileNetV2, words", mobilenet, ("18.2", "57.8"), ("24", "66")),
        Row("MobileNetV2, words: precision@5 of one-word queries", "", "", mean([built.precision() for built in mobilenet], 3)),
        # Before and target are of 34 other words.
        Row("the same, one caption is enough", "0.79", "0.88", mean([built.precision(captions=1) for built in mobilenet], 3)),
        Row("bytes an item", "", "148", mean([_bytes_per_item(built) for built in mobilenet])),
        Row("a query, p50", "", "0.15 ms", f"{mean([built.figures['search_text']['p50_ms'] for built in mobilenet], 3)} ms"),
        Row("whole run, features cached", "40 s", "120 s", f"{mean([built.seconds for built in mobilenet[1:] or mobilenet])} s"),
    ]
    efficientnet = [flickr.build("efficientnet", EFFICIENTNET, seed) for seed in range(seeds)]
    found += _recalls("EfficientNet-Lite2, words", efficientnet, ("20.9", "64.0"), ("27", "72"))
    one_view = [built.recalls(built.one_view()) for built in mobilenet]
    found += [
        Row(f"MobileNetV2, photos embedded by the file, from one view: R@{k}", "", "", mean([m[f"R@{k}"] for m in one_view]))
        for k in (1, 10)
    ]
    for name, towers, training in WITHOUT:
        built = flickr.build("without", MOBILENET, 0, training, **towers)
        found += _recalls(f"MobileNetV2, {name}, one seed", [built])
        found.append(Row(f"MobileNetV2, {name}, one seed: precision@5 of one-word queries", "", "", mean([built.precision()], 3)))
    return found


def _recalls(name: str, searchers: list[Built], before: tuple[str, str] = ("", ""), target: tuple[str, str] = ("", "")) -> list[Row]:
    measured = [built.recalls() for built in searchers]
    return [Row(f"{name}: R@{k}", before[i], target[i], mean([m[f"R@{k}"] for m in measured])) for i, k in enumerate((1, 10))]


def _bytes_per_item(built: Built) -> float:
    """Bytes of a row of the index, with everything that an item needs but its metadata."""
    return float(np.max([rows["bytes_per_item"] for rows in built.figures["index_rows"] if rows["rows"] == "int8"]))
