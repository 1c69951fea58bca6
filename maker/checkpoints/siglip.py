"""SigLIP (Zhai et al., 2023) and SigLIP 2 of a fixed resolution (Tschannen et al., 2025), as Hugging Face's `SiglipModel` has them."""

from __future__ import annotations

import numpy as np

from maker.checkpoints.configuration import Section
from maker.checkpoints.pictures import Pictures
from maker.checkpoints.text import Positions, TextTransformer
from maker.checkpoints.transformer import ACTIVATIONS, Attention, Perceptron, Reader, clip_blocks
from maker.checkpoints.vision import AttentionPool, VisionTransformer, patch_rows

UNREAD = ("logit_scale", "logit_bias", "text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def image_tower(config: Section, read: Reader, pictures: Pictures, size: int) -> VisionTransformer:
    """The tower for pictures of `size` pixels."""
    vision = config.section("vision_config")
    patch, width, inner = vision.number("patch_size", 16), vision.number("hidden_size", 768), vision.number("intermediate_size", 3072)
    activation, epsilon = vision.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh"), vision.real("layer_norm_eps", 1e-6)
    layers, heads = vision.number("num_hidden_layers", 12), vision.number("num_attention_heads", 12)
    vision.require("num_channels", 3)
    vision.require("vision_use_head", True)
    vision.ignore("model_type", "image_size")
    vision.refuse_unread()
    embeddings, head = "vision_model.embeddings", "vision_model.head"
    kernel = read.tensors.shaped(f"{embeddings}.patch_embedding.weight", width, 3, patch, patch)
    return VisionTransformer(
        size=size,
        patch=patch,
        mean=pictures.mean,
        std=pictures.std,
        patches=read.matrix(patch_rows(kernel), read.tensors.shaped(f"{embeddings}.patch_embedding.bias", width)),
        class_token=None,
        positions=read.tensors.shaped(f"{embeddings}.position_embedding.weight", (size // patch) ** 2, width),
        before=None,
        blocks=clip_blocks(read, "vision_model.encoder.layers", layers, width, inner, heads, activation, epsilon),
        head=AttentionPool(
            norm=read.norm("vision_model.post_layernorm", width, epsilon),
            probe=read.tensors.shaped(f"{head}.probe", 1, 1, width)[0],
            attention=_packed_attention(read, f"{head}.attention", width, heads),
            before_perceptron=read.norm(f"{head}.layernorm", width, epsilon),
            perceptron=Perceptron(read.linear(f"{head}.mlp.fc1", width, inner), read.linear(f"{head}.mlp.fc2", inner, width), activation),
        ),
    )


def text_tower(config: Section, read: Reader) -> TextTransformer:
    """The tower for texts. It sees its padding, and a text's vector is that of the last place."""
    text = config.section("text_config")
    width, inner, epsilon = text.number("hidden_size", 768), text.number("intermediate_size", 3072), text.real("layer_norm_eps", 1e-6)
    activation = text.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh")
    layers, heads = text.number("num_hidden_layers", 12), text.number("num_attention_heads", 12)
    places, pieces = text.number("max_position_embeddings", 64), text.number("vocab_size", 32000)
    dimension = text.number("projection_size", width)
    text.ignore("model_type")
    text.refuse_unread()
    return TextTransformer(
        table=read.table("text_model.embeddings.token_embedding.weight", pieces, width),
        positions=Positions(read.tensors.shaped("text_model.embeddings.position_embedding.weight", places, width)),
        before=None,
        blocks=clip_blocks(read, "text_model.encoder.layers", layers, width, inner, heads, activation, epsilon),
        sees="all",
        pool="last",
        after=read.norm("text_model.final_layer_norm", width, epsilon),
        projection=read.linear("text_model.head", width, dimension),
    )


def _packed_attention(read: Reader, name: str, width: int, heads: int) -> Attention:
    """An attention whose query, key and value are rows of one matrix, as PyTorch's `MultiheadAttention`."""
    rows, bias = read.tensors.shaped(f"{name}.in_proj_weight", 3 * width, width), read.tensors.shaped(f"{name}.in_proj_bias", 3 * width)
    parts = zip(np.split(rows, 3), np.split(bias, 3), ((width // heads) ** -0.5, 1.0, 1.0), strict=True)
    query, key, value = (read.matrix(part, its_bias, scale) for part, its_bias, scale in parts)
    return Attention(query, key, value, read.linear(f"{name}.out_proj", width, width), heads)
