"""The options of text models that take a tokenizer's ids, which several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maker.encoders.tokenizer_file import TextModelOptions


def add_text_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options, in a group of their own."""
    group = parser.add_argument_group("text models that take a tokenizer's ids")
    group.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="WordPiece vocab.txt, SentencePiece .model or Hugging Face tokenizer.json, recognised by content; it travels in the searcher",
    )
    group.add_argument("--text-length", type=int, default=64, metavar="N", help="ids of a query, where the model takes any number")
    group.add_argument(
        "--text-case", choices=("auto", "lower", "keep"), default="auto", help="auto: lower for a WordPiece vocabulary without capitals"
    )
    group.add_argument("--text-start", metavar="PIECE", help="before a text; '' for none (default: the tokenizer's)")
    group.add_argument("--text-end", metavar="PIECE", help="behind a text; '' for none (default: the tokenizer's)")
    group.add_argument("--text-pool", choices=("mean", "first"), default="mean", help="of a vector a token (default %(default)s)")


def text_model_options(given: argparse.Namespace) -> TextModelOptions:
    """What was given for the text model."""
    from maker.encoders.tokenizer_file import TextModelOptions

    return TextModelOptions(
        tokenizer=given.tokenizer,
        length=given.text_length,
        case=given.text_case,
        start=given.text_start,
        end=given.text_end,
        pool=given.text_pool,
    )
