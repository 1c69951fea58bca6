"""Small checkpoints with drawn weights, as the libraries write them; the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.tokenizer_files import clip_json

WIDTH, INNER, LAYERS, HEADS = 32, 64, 2, 4
SIZE, PATCH = 32, 8
DIMENSION = 24
TEXTS = ["a photo of a cat", "two dogs run", "", "A black dog is running through the snow, and the sun's up: 一个 café!"]
WORDS = "a photo of cat two dogs run black dog is running through the snow and sun up".split()  # noqa: SIM905
Shapes = Mapping[str, tuple[int, ...]]


def drawn(shapes: Shapes, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights so large that each part of a model matters to its result."""
    random = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        values = random.standard_normal(shape)
        if name.endswith("bias") or len(shape) < 2:
            values *= 0.2
        elif "embedding" not in name and "embed" not in name:
            values /= np.sqrt(np.prod(shape[1:]))
        if "norm" in name.lower() and name.endswith("weight"):
            values = 1 + values
        made[name] = values.astype(np.float32)
    return made


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, tuple[int, ...]]:
    """Shapes of a linear layer."""
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def norm(name: str, width: int = WIDTH) -> dict[str, tuple[int, ...]]:
    """Shapes of a layer normalisation."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def clip_layers(prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the blocks of a tower of Hugging Face's CLIP or SigLIP."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(LAYERS):
        p = f"{prefix}.{number}"
        for part in ("q", "k", "v", "out"):
            shapes |= linear(f"{p}.self_attn.{part}_proj", WIDTH, WIDTH)
        shapes |= norm(f"{p}.layer_norm1") | norm(f"{p}.layer_norm2")
        shapes |= linear(f"{p}.mlp.fc1", WIDTH, INNER) | linear(f"{p}.mlp.fc2", INNER, WIDTH)
    return shapes


def tower(**more: Any) -> dict[str, Any]:
    """The configuration of a tower."""
    return {"hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, **more}


def merges() -> list[tuple[str, str]]:
    """Merges of BPE that make the words, from the left. A trainer would break ties differently each time."""
    made: dict[tuple[str, str], None] = {}
    for word in WORDS:
        letters = [*word[:-1], f"{word[-1]}</w>"]
        for number in range(1, len(letters)):
            made["".join(letters[:number]), letters[number]] = None
    return list(made)


def clip_vision_shapes() -> Shapes:
    """Shapes of CLIP's tower for pictures."""
    embeddings = "vision_model.embeddings"
    return {
        f"{embeddings}.class_embedding": (WIDTH,),
        f"{embeddings}.patch_embedding.weight": (WIDTH, 3, PATCH, PATCH),
        f"{embeddings}.position_embedding.weight": ((SIZE // PATCH) ** 2 + 1, WIDTH),
        **norm("vision_model.pre_layrnorm"),
        **clip_layers("vision_model.encoder.layers"),
        **norm("vision_model.post_layernorm"),
        **linear("visual_projection", WIDTH, DIMENSION, bias=False),
    }


def clip(folder: Path, places: int = 40, activation: str = "quick_gelu") -> Path:
    """A checkpoint of Hugging Face's `CLIPModel`."""
    tokenizer = clip_json(merges())
    pieces = len(json.loads(tokenizer)["model"]["vocab"])
    shapes = {
        "logit_scale": (),
        "text_model.embeddings.token_embedding.weight": (pieces, WIDTH),
        "text_model.embeddings.position_embedding.weight": (places, WIDTH),
        **clip_layers("text_model.encoder.layers"),
        **norm("text_model.final_layer_norm"),
        **linear("text_projection", WIDTH, DIMENSION, bias=False),
        **clip_vision_shapes(),
    }
    text = tower(vocab_size=pieces, max_position_embeddings=places, hidden_act=activation, eos_token_id=pieces - 1, bos_token_id=pieces - 2)
    config = {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": DIMENSION,
        "text_config": text,
        "vision_config": tower(image_size=SIZE, patch_size=PATCH, hidden_act=activation),
    }
    return write(folder, config, shapes, {"tokenizer.json": tokenizer})


def write(folder: Path, config: Mapping[str, Any], shapes: Shapes, files: Mapping[str, str | bytes]) -> Path:
    """Writes a folder as it is on a hub."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(drawn(shapes), folder / "model.safetensors")
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def pictures(count: int = 3, size: int = SIZE) -> np.ndarray:
    """`(count, size, size, 3)` uint8."""
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), np.uint8)
