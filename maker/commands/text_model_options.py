"""Options of text models that take token ids, which several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maker.encoders.tokenizer_file import TextModelOptions


def add_text_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options, as a group."""
    group = parser.add_argument_group("text models that take token ids")
    group.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="WordPiece vocab.txt, SentencePiece .model or Hugging Face tokenizer.json, recognised by content; the searcher contains it",
    )
    group.add_argument("--text-length", type=int, default=64, metavar="N", help="number of ids of a query, if the model takes any number")
    group.add_argument(
        "--text-case", choices=("auto", "lower", "keep"), default="auto", help="auto: lower for a WordPiece vocabulary without capitals"
    )
    group.add_argument("--text-start", metavar="PIECE", help="token before a text; '' for none (default: that of the tokenizer)")
    group.add_argument("--text-end", metavar="PIECE", help="token after a text; '' for none (default: that of the tokenizer)")
    group.add_argument(
        "--text-pool",
        choices=("mean", "first"),
        default="mean",
        help="pooling, if the model returns one vector per token (default %(default)s)",
    )


def text_model_options(given: argparse.Namespace) -> TextModelOptions:
    """The options of the text model from the arguments."""
    from maker.encoders.tokenizer_file import TextModelOptions

    return TextModelOptions(
        tokenizer=given.tokenizer,
        length=given.text_length,
        case=given.text_case,
        start=given.text_start,
        end=given.text_end,
        pool=given.text_pool,
    )
