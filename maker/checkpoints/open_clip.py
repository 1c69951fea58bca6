"""Checkpoints as open_clip writes them: `open_clip_config.json`, and weights under names of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from maker.checkpoints import clip, perception
from maker.checkpoints.configuration import Section, read_json
from maker.checkpoints.converted import ConvertedTower
from maker.checkpoints.pictures import Pictures, channels, filter_name
from maker.checkpoints.tensors import Tensors, read_tensors
from maker.checkpoints.tokenizer import clip_tokenizer
from maker.checkpoints.torch_tower import convert_image_tower
from maker.checkpoints.towers import Towers
from maker.checkpoints.transformer import Reader
from maker.checkpoints.vision import VisionTransformer
from maker.encoders.weights import Weights
from maker.errors import EncoderError
from task.format.preparation import CENTER_EVEN, WHOLE, Preparation

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
UNREAD = ("logit_scale", "logit_bias", "attn_mask", "text.attn_mask")
# Shapes by open_clip's names, for weights without a configuration: dimension, tower for pictures, text's places, width, heads and layers.
NAMES: dict[str, tuple[int, dict[str, Any], tuple[int, int, int, int]]] = {
    "ViT-B-32": (512, {"image_size": 224, "patch_size": 32, "width": 768, "layers": 12}, (77, 512, 8, 12)),
    "ViT-B-16": (512, {"image_size": 224, "patch_size": 16, "width": 768, "layers": 12}, (77, 512, 8, 12)),
    "ViT-L-14": (768, {"image_size": 224, "patch_size": 14, "width": 1024, "layers": 24}, (77, 768, 12, 12)),
    "PE-Core-T-16-384": (512, {"image_size": 384, "timm_model_name": "vit_pe_core_tiny_patch16_384"}, (32, 512, 8, 12)),
    "PE-Core-S-16-384": (512, {"image_size": 384, "timm_model_name": "vit_pe_core_small_patch16_384"}, (32, 512, 8, 12)),
}
QUICK = "-quickgelu"
BLOCKS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
RENAMED = {
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.proj": "visual_projection.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "text_projection": "text_projection.weight",
    "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
    "ln_final": "text_model.final_layer_norm",
}
TURNED = ("visual.proj", "text_projection")  # stored with inputs as rows


def read_open_clip_folder(folder: Path, weights: Weights) -> Towers:
    """The towers of a folder with `open_clip_config.json`.

    Raises:
        EncoderError: It is incomplete or damaged, or has a part that this release does not know.
    """
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise EncoderError(f"{folder}: has neither {' nor '.join(WEIGHTS)}; download the .safetensors of the checkpoint")
    return _read(Section(str(folder / CONFIG), read_json(folder / CONFIG)), found, weights)


def read_open_clip_file(name: str, path: Path, weights: Weights) -> Towers:
    """The towers of a `.safetensors` file of the model `name`, one of `NAMES` or a JSON file with its configuration.

    Raises:
        EncoderError: The name is unknown, or the file is of another model.
    """
    if name.endswith(".json"):
        given = read_json(Path(name))
        given = given if "model_cfg" in given else {"model_cfg": given}
        return _read(Section(name, given), path, weights)
    plain = name.removesuffix(QUICK)
    if plain not in NAMES:
        raise EncoderError(
            f"open_clip:{name}: unknown name, expected one of {', '.join(NAMES)}, with {QUICK} where open_clip has it, "
            "or the path of its configuration, which ends in .json"
        )
    dimension, vision, (places, width, heads, layers) = NAMES[plain]
    text = {"context_length": places, "vocab_size": 49408, "width": width, "heads": heads, "layers": layers}
    model = {"embed_dim": dimension, "quick_gelu": plain != name, "vision_cfg": vision, "text_cfg": text}
    return _read(Section(f"open_clip:{name}", {"model_cfg": model}), path, weights)


def _read(config: Section, path: Path, weights: Weights) -> Towers:
    model = config.section("model_cfg")
    vision, text, dimension = model.section("vision_cfg"), model.section("text_cfg"), model.number("embed_dim")
    quick = bool(model.value("quick_gelu", False))
    model.ignore("custom_text", "init_logit_scale", "init_logit_bias")
    model.refuse_unread()
    size = vision.number("image_size", 224)
    pictures = _pictures(config.section("preprocess_cfg"), size)
    config.ignore("version", "timm_version")
    config.refuse_unread()
    own = read_tensors(path)
    own.ignore(UNREAD)
    read = Reader(_renamed(own), weights)
    timm = vision.value("timm_model_name")
    image: VisionTransformer | ConvertedTower
    if timm is not None and timm not in perception.SHAPES:
        image = convert_image_tower(config.values, path, weights)
        read.tensors.ignore([name for name in read.tensors if name.startswith("visual.")])
    elif timm is not None:
        vision.require("timm_pool", "map")
        vision.require("timm_proj", None)
        vision.ignore("timm_model_pretrained")
        vision.refuse_unread()
        shape = perception.SHAPES[timm]
        if shape.size != size:
            raise EncoderError(f"{vision.name}: image_size is {size}, expected {shape.size}, that of {timm}")
        image = perception.image_tower(read, shape, pictures, dimension)
    else:
        image = clip.image_tower(_as_hugging_face(vision, dimension, quick), read, pictures, size)
    causal = not text.value("no_causal_mask", False)
    transformer = clip.text_tower(_as_hugging_face(text, dimension, quick), read, causal)
    read.tensors.refuse_unread(lambda name: False)
    return Towers("open_clip", transformer, clip_tokenizer(path.parent, transformer), image, pictures)


def _as_hugging_face(section: Section, dimension: int, quick: bool) -> Section:
    """The configuration of a tower as `clip` reads it."""
    width = section.number("width")
    is_text = "context_length" in section
    heads = section.number("heads") if is_text else width // section.number("head_width", 64)
    values = {
        "hidden_size": width,
        "num_hidden_layers": section.number("layers"),
        "num_attention_heads": heads,
        "intermediate_size": int(width * section.real("mlp_ratio", 4.0)),
        "hidden_act": "quick_gelu" if quick else "gelu",
    }
    if is_text:
        values |= {"max_position_embeddings": section.number("context_length", 77), "vocab_size": section.number("vocab_size", 49408)}
        section.require("pool_type", "argmax")
        section.require("proj_bias", False)
        section.require("embed_cls", False)
        section.ignore("eos_id")
    else:
        values |= {"patch_size": section.number("patch_size")}
        section.require("pool_type", "tok")
        section.require("attentional_pool", False)
        section.require("no_ln_pre", False)
        section.ignore("patch_dropout")
    section.require("ls_init_value", None)
    section.refuse_unread()
    key = "text_config" if is_text else "vision_config"
    return Section(section.name, {"projection_dim": dimension, key: values})


def _pictures(section: Section, size: int) -> Pictures:
    given = section.value("size", size)
    if given not in (size, [size, size]):
        raise EncoderError(f"{section.name}: size is {given!r}, expected {size}, that of the tower")
    mode = section.choice("resize_mode", ("shortest", "squash"), "shortest")
    section.require("mode", "RGB")
    section.ignore("fill_color")
    name = filter_name(section.value("interpolation", "bicubic"), f"{section.name}: interpolation")
    mean, std = (channels(section.value(key, usual), f"{section.name}: {key}") for key, usual in (("mean", MEAN), ("std", STD)))
    section.refuse_unread()
    return Pictures(Preparation(name, CENTER_EVEN, size) if mode == "shortest" else Preparation(name, WHOLE), mean, std)


def _renamed(tensors: Tensors) -> Tensors:
    """The weights under the names of Hugging Face's CLIP; those of other towers keep theirs."""
    loaders = {}
    for name in tensors:
        plain = name.removeprefix("text.")
        found = re.match(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.*)\.?(weight|bias)$", plain)
        stem, _, leaf = plain.rpartition(".")
        if found:
            block = f"{'vision' if found[1] else 'text'}_model.encoder.layers.{found[2]}"
            part = found[3].rstrip("._")
            if part == "attn.in_proj":
                for number, letter in enumerate("qkv"):
                    loaders[f"{block}.self_attn.{letter}_proj.{found[4]}"] = tensors.loader(name, _third(number))
            elif part in BLOCKS:
                loaders[f"{block}.{BLOCKS[part]}.{found[4]}"] = tensors.loader(name)
            else:
                loaders[name] = tensors.loader(name)
        elif plain in RENAMED:
            loaders[RENAMED[plain]] = tensors.loader(name, np.transpose if plain in TURNED else None)
        elif stem in RENAMED:
            loaders[f"{RENAMED[stem]}.{leaf}"] = tensors.loader(name)
        else:
            loaders[name] = tensors.loader(name)
    return Tensors(tensors.path, loaders)


def _third(number: int) -> Callable[[np.ndarray], np.ndarray]:
    """Takes the rows of query, key or value out of a matrix that has them all."""
    return lambda rows: np.split(rows, 3)[number]
