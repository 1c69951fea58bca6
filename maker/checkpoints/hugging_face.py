"""Checkpoints as Hugging Face's library writes them: a folder with `config.json`, `model.safetensors` and the tokenizer's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maker.checkpoints import bert, clip, siglip
from maker.checkpoints.configuration import Section, read_json
from maker.checkpoints.pictures import read_pictures
from maker.checkpoints.tensors import read_tensors
from maker.checkpoints.tokenizer import clip_tokenizer, folder_tokenizer, siglip_tokenizer
from maker.checkpoints.towers import Towers
from maker.checkpoints.transformer import Reader
from maker.encoders.weights import Weights

CONFIG = "config.json"
CHINESE_PLACES = 52  # that Chinese-CLIP was trained with (cn_clip's context_length)


def read_folder(folder: Path, weights: Weights) -> Towers:
    """The towers of a checkpoint; matrices are kept as `weights` says.

    Raises:
        EncoderError: The checkpoint is incomplete, damaged, or has a part that this release does not know.
    """
    config = Section(str(folder / CONFIG), read_json(folder / CONFIG))
    family = config.choice("model_type", tuple(FAMILIES), "")
    return FAMILIES[family](folder, config, Reader(read_tensors(folder), weights))


def _clip(folder: Path, config: Section, read: Reader) -> Towers:
    size = clip.part(config, "vision_config").number("image_size", 224)
    pictures = read_pictures(folder, size)
    image, text = clip.image_tower(config, read, pictures, size), clip.text_tower(config, read)
    _refuse_unread(config, read, clip.UNREAD)
    return Towers("clip", text, clip_tokenizer(folder, text), image, pictures)


def _siglip(folder: Path, config: Section, read: Reader) -> Towers:
    size = config.section("vision_config").number("image_size", 224)
    pictures = read_pictures(folder, size)
    image, text = siglip.image_tower(config, read, pictures, size), siglip.text_tower(config, read)
    _refuse_unread(config, read, siglip.UNREAD)
    return Towers("siglip", text, siglip_tokenizer(folder, text), image, pictures)


def _chinese_clip(folder: Path, config: Section, read: Reader) -> Towers:
    size = clip.part(config, "vision_config").number("image_size", 224)
    pictures = read_pictures(folder, size)
    image = clip.image_tower(config, read, pictures, size)
    options = clip.part(config, "text_config")
    projection = read.linear("text_projection", options.number("hidden_size", 768), image.dimension, bias=False)
    text = bert.text_tower(options, read, "text_model.", "first", projection, CHINESE_PLACES)
    _refuse_unread(config, read, clip.UNREAD, "text_model.pooler.")
    return Towers("chinese_clip", text, folder_tokenizer(folder, text, text.positions.most), image, pictures)


def _bert(folder: Path, config: Section, read: Reader) -> Towers:
    options = bert.sentence_options(folder)
    prefix = "bert." if "bert.embeddings.word_embeddings.weight" in read.tensors else ""
    text = bert.text_tower(config, read, prefix, options.pool, None, options.most)
    _refuse_unread(config, read, (f"{prefix}embeddings.position_ids",), f"{prefix}pooler.", "cls.")
    return Towers("bert", text, folder_tokenizer(folder, text, text.positions.most))


def _refuse_unread(config: Section, read: Reader, ignored: tuple[str, ...], *prefixes: str) -> None:
    config.refuse_unread()
    read.tensors.refuse_unread(lambda name: name in ignored or name.startswith(prefixes))


# By the `model_type` of config.json.
FAMILIES: dict[str, Callable[[Path, Section, Reader], Towers]] = {
    "clip": _clip,
    "siglip": _siglip,
    "chinese_clip": _chinese_clip,
    "bert": _bert,
}
