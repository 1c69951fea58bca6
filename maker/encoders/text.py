"""Text towers by their spec."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from maker.encoders.convert import on_disk
from maker.encoders.convert_text import convert_text
from maker.encoders.sentence_tower import AnyTextTower, sentence_tower
from maker.encoders.token_tower import token_tower
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import EncoderError
from maker.graph.source import Source

WORDS = "words"
BESIDE_WORDS = "words+"  # before the spec of a pretrained tower: a words tower is trained beside it
FORMS = {
    WORDS: WORDS,
    "tflite": "tflite:PATH[#OUTPUT]",
    "keras_file": "keras_file:PATH[#OUTPUT]",
    "saved_model": "saved_model:FOLDER[#OUTPUT]",
    "hub": "hub:HANDLE[#OUTPUT]",
    "hf": "hf:ORG/NAME[@REVISION]",
    "checkpoint": "checkpoint:FOLDER",
}
CHECKPOINTS = ("hf", "checkpoint")  # as maker.checkpoints reads them; they have their tokenizer


def is_text_spec(spec: str) -> bool:
    """Whether it is the spec of a pretrained text tower, and not a path."""
    kind, _, rest = spec.partition(":")
    return kind in FORMS and bool(rest)


def parse_text_spec(spec: str, options: TextModelOptions) -> tuple[str, str]:
    """Splits `kind:rest`, without `words+`; the rest is empty for `words`.

    Raises:
        EncoderError: The kind is unknown, what belongs behind it is missing, or there is a tokenizer that `words` would not use.
    """
    kind, _, rest = spec.removeprefix(BESIDE_WORDS).partition(":")
    if spec.startswith(BESIDE_WORDS) and kind == WORDS:
        raise EncoderError(
            f"text encoder {spec!r}: expected a pretrained one behind {BESIDE_WORDS}, such as {BESIDE_WORDS}{FORMS['tflite']}"
        )
    if kind == "keras":
        raise EncoderError(f"text encoder {spec!r}: Keras applications are image models; save the text model and pass keras_file:PATH")
    if kind not in FORMS:
        raise EncoderError(f"text encoder {spec!r}: unknown kind {kind!r}; expected one of {', '.join(FORMS.values())}")
    if kind != WORDS and not rest:
        raise EncoderError(f"text encoder {spec!r}: expected {FORMS[kind]}")
    if kind in (WORDS, *CHECKPOINTS) and options.tokenizer is not None:
        other = "pass a pretrained one with --text-encoder" if kind == WORDS else "leave out --tokenizer"
        raise EncoderError(f"--tokenizer {options.tokenizer}: the text encoder {spec} has its own; {other}")
    return kind, rest


def text_backbone(spec: str, options: TextModelOptions, work: Path, texts: Iterable[str] = ()) -> AnyTextTower:
    """The frozen tower of a spec other than `words`, its tokenizer in the graph where that gives the right ids of `texts` and others.

    Converted models are kept in `work`.

    Raises:
        EncoderError: The model or its tokenizer is missing, is of another kind, or cannot be converted.
    """
    kind, rest = parse_text_spec(spec, options)
    path, _, output = rest.partition("#")
    if kind == "tflite":
        if not Path(path).is_file():
            raise EncoderError(f"text encoder: no such file: {path}")
        return sentence_tower(token_tower(Source(path), options, output or None), texts)
    key = hashlib.sha256(repr((kind, rest, options.length, on_disk(path))).encode()).hexdigest()[:16]
    work.mkdir(parents=True, exist_ok=True)
    target = work / f"text-model-{key}.tflite"
    if not target.exists():
        convert_text(kind, path, output or None, options.length, target)
    return sentence_tower(token_tower(Source(target), options), texts)
