"""The Perception Encoder's tower for pictures (Bolya et al., "Perception Encoder", 2025; PE-Core), as timm has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.checkpoints.pictures import Pictures
from maker.checkpoints.rotary import halves, rotary
from maker.checkpoints.transformer import Attention, Perceptron, PreNormBlock, Reader
from maker.checkpoints.vision import AttentionPool, VisionTransformer, patch_rows

POOL_HEADS, EPSILON = 8, 1e-5


@dataclass(frozen=True)
class Shape:
    """Shape of a tower: size of a picture and of a patch in pixels, width, number of blocks and of heads."""

    size: int
    patch: int
    width: int
    blocks: int
    heads: int


# By their names in timm.
SHAPES = {
    "vit_pe_core_tiny_patch16_384": Shape(384, 16, 192, 12, 3),
    "vit_pe_core_small_patch16_384": Shape(384, 16, 384, 12, 6),
    "vit_pe_core_base_patch16_224": Shape(224, 16, 768, 12, 12),
    "vit_pe_core_large_patch14_336": Shape(336, 14, 1024, 24, 16),
}


def image_tower(read: Reader, shape: Shape, pictures: Pictures, dimension: int, prefix: str = "visual.trunk.") -> VisionTransformer:
    """The tower."""
    tensors, width, across = read.tensors, shape.width, shape.size // shape.patch
    kernel = tensors.shaped(f"{prefix}patch_embed.proj.weight", width, 3, shape.patch, shape.patch)
    return VisionTransformer(
        size=shape.size,
        patch=shape.patch,
        mean=pictures.mean,
        std=pictures.std,
        patches=read.matrix(patch_rows(kernel), tensors.optional(f"{prefix}patch_embed.proj.bias")),
        class_token=tensors.shaped(f"{prefix}cls_token", 1, 1, width)[0],
        positions=tensors.shaped(f"{prefix}pos_embed", 1, across * across + 1, width)[0],
        before=read.norm(f"{prefix}norm_pre", width, EPSILON),
        blocks=_blocks(read, shape, prefix),
        head=_head(read, shape, dimension, prefix),
    )


def _blocks(read: Reader, shape: Shape, prefix: str) -> list[PreNormBlock]:
    width, heads = shape.width, shape.heads
    turned = rotary(shape.size // shape.patch, width // heads)

    def block(p: str) -> PreNormBlock:
        rows = np.split(read.tensors.shaped(f"{p}.attn.qkv.weight", 3 * width, width), 3)
        bias = np.split(read.tensors.shaped(f"{p}.attn.qkv.bias", 3 * width), 3)
        return PreNormBlock(
            read.norm(f"{p}.norm1", width, EPSILON),
            Attention(
                read.matrix(halves(rows[0], heads), halves(bias[0], heads), (width // heads) ** -0.5),
                read.matrix(halves(rows[1], heads), halves(bias[1], heads)),
                read.matrix(rows[2], bias[2]),
                read.linear(f"{p}.attn.proj", width, width),
                heads,
                turned,
            ),
            read.norm(f"{p}.norm2", width, EPSILON),
            _perceptron(read, f"{p}.mlp", width),
        )

    return [block(f"{prefix}blocks.{number}") for number in range(shape.blocks)]


def _head(read: Reader, shape: Shape, dimension: int, prefix: str) -> AttentionPool:
    width, pool = shape.width, f"{prefix}attn_pool"
    rows = np.split(read.tensors.shaped(f"{pool}.kv.weight", 2 * width, width), 2)
    bias = np.split(read.tensors.shaped(f"{pool}.kv.bias", 2 * width), 2)
    return AttentionPool(
        norm=read.norm(f"{prefix}norm", width, EPSILON),
        probe=read.tensors.shaped(f"{pool}.latent", 1, 1, width)[0],
        attention=Attention(
            read.linear(f"{pool}.q", width, width, scale=(width // POOL_HEADS) ** -0.5),
            read.matrix(rows[0], bias[0]),
            read.matrix(rows[1], bias[1]),
            read.linear(f"{pool}.proj", width, width),
            POOL_HEADS,
        ),
        before_perceptron=read.norm(f"{pool}.norm", width, EPSILON),
        perceptron=_perceptron(read, f"{pool}.mlp", width),
        projection=read.linear(f"{prefix}head", width, dimension),
    )


def _perceptron(read: Reader, name: str, width: int) -> Perceptron:
    return Perceptron(read.linear(f"{name}.fc1", width, 4 * width), read.linear(f"{name}.fc2", 4 * width, width), "gelu")
