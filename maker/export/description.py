"""TFLite Metadata of searchers and encoder files, so that standard tools can describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maker.encoders import spellings
from maker.encoders.tokenizer_file import TokenizerFile
from task.format import item_table, manifest

PARSER_VERSION = "1.0.0"  # the first version that has the fields used here
QUERY = {
    "text": {"query": "UTF-8 bytes of the sentence, zero padded"},
    "tokens": {"ids": "the sentence's tokens, padded", "mask": "1 where there is a token"},
    "image": {"query": "RGB pixels, stretched to this size"},
    "audio": {"query": "samples of one channel, 1 is full scale"},
    "embedding": {"query": "the query's embedding"},
}
QUERY_KINDS = {"text": "a sentence", "tokens": "a sentence", "image": "a picture", "audio": "a sound"}
RESULT = [
    {"name": "distances", "description": "ascending; smaller is nearer"},
    {"name": "ids", "description": "item numbers, -1 where there is no further neighbour"},
]
EMBEDDING = [{"name": "embedding", "description": "the query's embedding"}]


def searcher_metadata(
    kinds: Sequence[str], items: int, distance: str, tokenizer: TokenizerFile | None = None, files: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Metadata of a searcher.

    Args:
        kinds: Kinds of queries; the subgraphs are `search_*` and `embed_*` of each kind, then `search_embedding`.
        items: Number of items.
        distance: `dot_product` or `squared_l2`.
        tokenizer: The tokenizer of `tokens` queries.
        files: Descriptions of further associated files by name.
    """
    subgraphs = [_subgraph(f"{verb}_{kind}", kind, verb == "search", tokenizer) for kind in kinds for verb in ("search", "embed")]
    query_kinds = " or ".join([QUERY_KINDS[kind] for kind in kinds] or ["an embedding"])
    return {
        "name": "Pocket searcher",
        "description": f"Finds the nearest of {items} items by {query_kinds} ({distance}).",
        "version": f"{manifest.FORMAT} {manifest.VERSION}",
        "subgraph_metadata": [*subgraphs, _subgraph("search_embedding", "embedding", True)],
        "author": "pocket-searcher",
        "associated_files": [
            *_item_files(),
            *_tokenizer_file(tokenizer),
            *({"name": name, "description": text} for name, text in (files or {}).items()),
        ],
        "min_parser_version": PARSER_VERSION,
    }


def empty_metadata(kinds: Sequence[str], distance: str, tokenizer: TokenizerFile | None = None) -> dict[str, Any]:
    """Metadata of a searcher without items; the subgraphs are `embed_*` of each kind."""
    query_kinds = " or ".join(QUERY_KINDS[kind] for kind in kinds)
    return {
        "name": "Pocket searcher without items",
        "description": f"Finds the nearest of the items that are added to it by {query_kinds} ({distance}).",
        "version": f"{manifest.FORMAT} {manifest.VERSION}",
        "subgraph_metadata": [_subgraph(f"embed_{kind}", kind, False, tokenizer) for kind in kinds],
        "author": "pocket-searcher",
        "associated_files": [*_item_files(), *_tokenizer_file(tokenizer)],
        "min_parser_version": PARSER_VERSION,
    }


def encoder_metadata(kinds: Sequence[str], words: bool = False, tokenizer: TokenizerFile | None = None) -> dict[str, Any]:
    """Metadata of an encoder file with the subgraphs `embed_*` of each kind; `words`: whether it has the text tower's vocabulary file."""
    files = [{"name": spellings.FILE, "description": "the known words and their rows"}] if words else []
    return {
        "name": "Pocket searcher's encoder",
        "description": f"Embeds {' and '.join(kinds)} into one space.",
        "version": f"{manifest.FORMAT} {manifest.VERSION}",
        "subgraph_metadata": [_subgraph(f"embed_{kind}", kind, False, tokenizer) for kind in kinds],
        "author": "pocket-searcher",
        "associated_files": [{"name": manifest.FILE, "description": "manifest"}, *files, *_tokenizer_file(tokenizer)],
        "min_parser_version": PARSER_VERSION,
    }


def _item_files() -> list[dict[str, Any]]:
    return [
        {"name": manifest.FILE, "description": "manifest"},
        {"name": item_table.OFFSETS, "description": "where each item's metadata start, little-endian uint32"},
        {"name": item_table.BYTES, "description": "the items' metadata"},
    ]


def _tokenizer_file(tokenizer: TokenizerFile | None) -> list[dict[str, Any]]:
    return [{"name": tokenizer.name, "description": "the text tower's tokenizer"}] if tokenizer else []


def _subgraph(name: str, kind: str, search: bool, tokenizer: TokenizerFile | None = None) -> dict[str, Any]:
    inputs = tokenizer.inputs if tokenizer and kind == "tokens" else list(QUERY[kind])
    return {
        "name": name,
        "input_tensor_metadata": [{"name": name, "description": QUERY[kind][name]} for name in inputs],
        "output_tensor_metadata": RESULT if search else EMBEDDING,
    }
