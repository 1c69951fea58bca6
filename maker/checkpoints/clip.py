"""CLIP (Radford et al., 2021) as Hugging Face's `CLIPModel` has it: OpenAI's, LAION's, TinyCLIP, MetaCLIP."""

from __future__ import annotations

from maker.checkpoints.configuration import Section
from maker.checkpoints.pictures import Pictures
from maker.checkpoints.text import Positions, TextTransformer
from maker.checkpoints.transformer import ACTIVATIONS, Reader, clip_blocks
from maker.checkpoints.vision import ClassToken, VisionTransformer, patch_rows

UNREAD = ("logit_scale", "text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def image_tower(config: Section, read: Reader, pictures: Pictures, size: int) -> VisionTransformer:
    """The tower for pictures of `size` pixels."""
    vision = part(config, "vision_config")
    patch = vision.number("patch_size", 32)
    width, activation, epsilon = vision.number("hidden_size", 768), _activation(vision), vision.real("layer_norm_eps", 1e-5)
    layers = (
        vision.number("num_hidden_layers", 12),
        width,
        vision.number("intermediate_size", 3072),
        vision.number("num_attention_heads", 12),
    )
    vision.require("num_channels", 3)
    dimension = config.number("projection_dim", 512)
    vision.ignore("projection_dim", "model_type", "image_size")
    vision.refuse_unread()
    embeddings, places = "vision_model.embeddings", (size // patch) ** 2 + 1
    kernel = read.tensors.shaped(f"{embeddings}.patch_embedding.weight", width, 3, patch, patch)
    return VisionTransformer(
        size=size,
        patch=patch,
        mean=pictures.mean,
        std=pictures.std,
        patches=read.matrix(patch_rows(kernel)),
        class_token=read.tensors.shaped(f"{embeddings}.class_embedding", width)[None],
        positions=read.tensors.shaped(f"{embeddings}.position_embedding.weight", places, width),
        before=read.norm("vision_model.pre_layrnorm", width, epsilon),
        blocks=clip_blocks(read, "vision_model.encoder.layers", *layers, activation, epsilon),
        head=ClassToken(
            read.norm("vision_model.post_layernorm", width, epsilon), read.linear("visual_projection", width, dimension, bias=False)
        ),
    )


def text_tower(config: Section, read: Reader, causal: bool = True) -> TextTransformer:
    """The tower for texts. A text's vector is that of its end; places see those before them, or all if it is not causal."""
    text = part(config, "text_config")
    width, activation, epsilon = text.number("hidden_size", 512), _activation(text), text.real("layer_norm_eps", 1e-5)
    layers = text.number("num_hidden_layers", 12), width, text.number("intermediate_size", 2048), text.number("num_attention_heads", 8)
    places, pieces = text.number("max_position_embeddings", 77), text.number("vocab_size", 49408)
    dimension = config.number("projection_dim", 512)
    text.ignore("projection_dim", "model_type")
    text.refuse_unread()
    return TextTransformer(
        table=read.table("text_model.embeddings.token_embedding.weight", pieces, width),
        positions=Positions(read.tensors.shaped("text_model.embeddings.position_embedding.weight", places, width)),
        before=None,
        blocks=clip_blocks(read, "text_model.encoder.layers", *layers, activation, epsilon),
        sees="before" if causal else "all",
        pool="end",
        after=read.norm("text_model.final_layer_norm", width, epsilon),
        projection=read.linear("text_projection", width, dimension, bias=False),
    )


def part(config: Section, key: str) -> Section:
    """The configuration of one tower. Old files have it as `…_config_dict`, which then wins, as in the library."""
    old = config.section(f"{key}_dict") if config.value(f"{key}_dict") else None
    return old or config.section(key)


def _activation(section: Section) -> str:
    return section.choice("hidden_act", ACTIVATIONS, "quick_gelu")
