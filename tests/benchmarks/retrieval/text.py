"""Text encoders: words beside a pretrained one, words that learn from it, and Chinese captions, which repeat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maker.encoders.tokenizer_file import TextModelOptions
from tests.benchmarks.retrieval.corpus import Built, Flickr
from tests.benchmarks.retrieval.frozen import EFFICIENTNET, MOBILENET
from tests.benchmarks.retrieval.rows import Row, mean
from tests.outside_data import MINILM

SENTENCES = f"tflite:{MINILM / 'minilm_int8.tflite'}"
TOKENIZER = TextModelOptions(tokenizer=MINILM / "tokenizer.json")


def rows(flickr: Flickr, seeds: int) -> list[Row]:
    """The lines of this part."""

    def built(name: str, **towers: Any) -> list[Built]:
        return [flickr.build(name, EFFICIENTNET, seed, text_model=TOKENIZER, **towers) for seed in range(seeds)]

    joint, taught = built("joint", text_encoder=f"words+{SENTENCES}"), built("taught", teacher=SENTENCES)
    kept = [100 * a.recalls()["R@10"] / b.recalls()["R@10"] for a, b in zip(taught, joint, strict=True)]
    found = _recalls("EfficientNet-Lite2, words + MiniLM", joint, ("24.1", "68.4"), ("30", "76"))
    found += _recalls("EfficientNet-Lite2, words taught by words + MiniLM", taught, ("20.9", "64.0"), ("27", "72"))
    found.append(Row("share of the teacher's R@10 that stays, percent", "", "90", mean(kept)))
    found += [_milliseconds("words + MiniLM", joint), _milliseconds("taught words", taught)]
    chinese = replace(flickr, language="zh")
    searchers = [chinese.build("chinese", MOBILENET, seed) for seed in range(seeds)]
    found += _recalls("MobileNetV2, Chinese", searchers, ("", "42.7"), ("", "50"))
    lenient = [built.lenient_recalls()["R@10"] for built in searchers]
    return [*found, Row("MobileNetV2, Chinese, any photo of the same caption: R@10", "", "", mean(lenient))]


def _recalls(name: str, searchers: list[Built], before: tuple[str, str], target: tuple[str, str]) -> list[Row]:
    measured = [built.recalls() for built in searchers]
    return [Row(f"{name}: R@{k}", before[i], target[i], mean([m[f"R@{k}"] for m in measured])) for i, k in enumerate((1, 10))]


def _milliseconds(name: str, searchers: list[Built]) -> Row:
    return Row(f"a query, p50: {name}", "", "", f"{mean([built.figures['search_text']['p50_ms'] for built in searchers], 3)} ms")
