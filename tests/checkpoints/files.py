"""Small checkpoints with drawn weights, as the libraries write them; the same on every machine."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.tokenizer_files import clip_json

WIDTH, INNER, LAYERS, HEADS = 32, 64, 2, 4
SIZE, PATCH = 32, 8
PLACES = 40
DIMENSION = 24
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALVES = (0.5, 0.5, 0.5)
TINY_PERCEPTION = "vit_pe_core_test"
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


def norm(name: str, width: int = 0) -> dict[str, tuple[int, ...]]:
    """Shapes of a layer normalisation, of the width of the towers unless another is given."""
    width = width or WIDTH
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


def clip(folder: Path, places: int = 0, activation: str = "quick_gelu") -> Path:
    """A checkpoint of Hugging Face's `CLIPModel`, of as many places as the towers have unless a number is given."""
    places = places or PLACES
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
    return write(folder, config, shapes, {"tokenizer.json": tokenizer, **preprocessor(CLIP_MEAN, CLIP_STD)})


def siglip(folder: Path, tokenizer: str = "spiece.model") -> Path:
    """A checkpoint of Hugging Face's `SiglipModel`, with SigLIP's tokenizer or, as `tokenizer.json`, SigLIP 2's."""
    content: str | bytes = sentencepiece_model() if tokenizer == "spiece.model" else gemma_json()
    pieces, embeddings, head = 160, "vision_model.embeddings", "vision_model.head"
    shapes = {
        "logit_scale": (1,),
        "logit_bias": (1,),
        "text_model.embeddings.token_embedding.weight": (pieces, WIDTH),
        "text_model.embeddings.position_embedding.weight": (PLACES, WIDTH),
        **clip_layers("text_model.encoder.layers"),
        **norm("text_model.final_layer_norm"),
        **linear("text_model.head", WIDTH, WIDTH),
        f"{embeddings}.patch_embedding.weight": (WIDTH, 3, PATCH, PATCH),
        f"{embeddings}.patch_embedding.bias": (WIDTH,),
        f"{embeddings}.position_embedding.weight": ((SIZE // PATCH) ** 2, WIDTH),
        **clip_layers("vision_model.encoder.layers"),
        **norm("vision_model.post_layernorm"),
        f"{head}.probe": (1, 1, WIDTH),
        f"{head}.attention.in_proj_weight": (3 * WIDTH, WIDTH),
        f"{head}.attention.in_proj_bias": (3 * WIDTH,),
        **linear(f"{head}.attention.out_proj", WIDTH, WIDTH),
        **norm(f"{head}.layernorm"),
        **linear(f"{head}.mlp.fc1", WIDTH, INNER),
        **linear(f"{head}.mlp.fc2", INNER, WIDTH),
    }
    config = {
        "model_type": "siglip",
        "text_config": tower(vocab_size=pieces, max_position_embeddings=PLACES, model_type="siglip_text_model"),
        "vision_config": tower(image_size=SIZE, patch_size=PATCH, model_type="siglip_vision_model"),
    }
    settings = json.dumps({"tokenizer_class": "SiglipTokenizer", "model_max_length": PLACES})
    more = {"tokenizer_config.json": settings} if tokenizer == "spiece.model" else {}
    return write(folder, config, shapes, {tokenizer: content, **more, **preprocessor(HALVES, HALVES, crop=False)})


def siglip2(folder: Path) -> Path:
    """A checkpoint of SigLIP 2 of a fixed resolution."""
    return siglip(folder, "tokenizer.json")


def chinese_clip(folder: Path) -> Path:
    """A checkpoint of Hugging Face's `ChineseCLIPModel`."""
    shapes = {
        "logit_scale": (),
        **bert_shapes("text_model.", 60),
        **linear("text_projection", WIDTH, DIMENSION, bias=False),
        **clip_vision_shapes(),
    }
    config = {
        "model_type": "chinese_clip",
        "projection_dim": DIMENSION,
        "text_config": tower(vocab_size=len(vocabulary()), max_position_embeddings=60, model_type="chinese_clip_text_model"),
        "vision_config": tower(image_size=SIZE, patch_size=PATCH, model_type="chinese_clip_vision_model"),
    }
    return write(folder, config, shapes, {"vocab.txt": "\n".join(vocabulary()), **preprocessor(CLIP_MEAN, CLIP_STD, crop=False)})


def open_clip(folder: Path) -> Path:
    """A checkpoint of open_clip, with a text tower that is not causal."""
    vision = {"visual.class_embedding": (WIDTH,), "visual.conv1.weight": (WIDTH, 3, PATCH, PATCH), "visual.proj": (WIDTH, DIMENSION)}
    vision |= {"visual.positional_embedding": ((SIZE // PATCH) ** 2 + 1, WIDTH), **norm("visual.ln_pre"), **norm("visual.ln_post")}
    shapes = {"logit_scale": (), **vision, **open_clip_layers("visual."), **open_clip_text("")}
    config = {"image_size": SIZE, "patch_size": PATCH, "width": WIDTH, "layers": LAYERS, "head_width": WIDTH // HEADS, "mlp_ratio": 2.0}
    return write_open_clip(folder, config, shapes, no_causal_mask=True)


def perception(folder: Path) -> Path:
    """A checkpoint of the Perception Encoder as open_clip has it; the tower for pictures is none of the published ones."""
    trunk = "visual.trunk"
    shapes = {
        "logit_scale": (),
        f"{trunk}.cls_token": (1, 1, WIDTH),
        f"{trunk}.pos_embed": (1, (SIZE // PATCH) ** 2 + 1, WIDTH),
        f"{trunk}.patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        **norm(f"{trunk}.norm_pre"),
        **norm(f"{trunk}.norm"),
        f"{trunk}.attn_pool.latent": (1, 1, WIDTH),
        **linear(f"{trunk}.attn_pool.q", WIDTH, WIDTH),
        **linear(f"{trunk}.attn_pool.kv", WIDTH, 2 * WIDTH),
        **linear(f"{trunk}.attn_pool.proj", WIDTH, WIDTH),
        **norm(f"{trunk}.attn_pool.norm"),
        **linear(f"{trunk}.attn_pool.mlp.fc1", WIDTH, 4 * WIDTH),
        **linear(f"{trunk}.attn_pool.mlp.fc2", 4 * WIDTH, WIDTH),
        **linear(f"{trunk}.head", WIDTH, DIMENSION),
        **open_clip_text("text."),
    }
    for number in range(LAYERS):
        p = f"{trunk}.blocks.{number}"
        shapes |= norm(f"{p}.norm1") | norm(f"{p}.norm2")
        shapes |= linear(f"{p}.attn.qkv", WIDTH, 3 * WIDTH) | linear(f"{p}.attn.proj", WIDTH, WIDTH)
        shapes |= linear(f"{p}.mlp.fc1", WIDTH, 4 * WIDTH) | linear(f"{p}.mlp.fc2", 4 * WIDTH, WIDTH)
    vision = {"image_size": SIZE, "timm_model_name": TINY_PERCEPTION, "timm_model_pretrained": False, "timm_pool": "map", "timm_proj": None}
    return write_open_clip(folder, vision, shapes)


def mobile(folder: Path) -> Path:
    """One whose tower for pictures PyTorch converts, with the pictures of MobileCLIP2."""
    perception(folder)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["timm_model_name"] = "fastvit_mci0"
    config["preprocess_cfg"] |= {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def open_clip_text(prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of open_clip's tower for texts."""
    pieces = len(json.loads(clip_json(merges()))["model"]["vocab"])
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}token_embedding.weight": (pieces, WIDTH),
        f"{prefix}positional_embedding": (PLACES, WIDTH),
        f"{prefix}text_projection": (WIDTH, DIMENSION),
    }
    return {**shapes, **norm(f"{prefix}ln_final"), **open_clip_layers(prefix)}


def open_clip_layers(prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the blocks of open_clip's towers."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(LAYERS):
        p = f"{prefix}transformer.resblocks.{number}"
        shapes |= {f"{p}.attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{p}.attn.in_proj_bias": (3 * WIDTH,)}
        shapes |= norm(f"{p}.ln_1") | norm(f"{p}.ln_2") | linear(f"{p}.attn.out_proj", WIDTH, WIDTH)
        shapes |= linear(f"{p}.mlp.c_fc", WIDTH, INNER) | linear(f"{p}.mlp.c_proj", INNER, WIDTH)
    return shapes


def write_open_clip(folder: Path, vision: Mapping[str, Any], shapes: Shapes, **text_more: Any) -> Path:
    """Writes a folder as open_clip's are on a hub."""
    tokenizer = clip_json(merges())
    pieces = len(json.loads(tokenizer)["model"]["vocab"])
    text = {"context_length": PLACES, "vocab_size": pieces, "width": WIDTH, "heads": HEADS, "layers": LAYERS, "mlp_ratio": 2.0}
    model = {"embed_dim": DIMENSION, "vision_cfg": vision, "text_cfg": {**text, **text_more}}
    pictures = {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    files = {"tokenizer.json": tokenizer, "open_clip_config.json": json.dumps({"model_cfg": model, "preprocess_cfg": pictures})}
    write(folder, {}, shapes, files)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "open_clip_model.safetensors")
    return folder


def bert(folder: Path, pool: str = "mean_tokens") -> Path:
    """A sentence encoder as sentence-transformers writes it."""
    config = tower(model_type="bert", vocab_size=len(vocabulary()), max_position_embeddings=60, position_embedding_type="absolute")
    modules = [
        {"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in (("Transformer", ""), ("Pooling", "1_Pooling"))
    ]
    files = {
        "vocab.txt": "\n".join(vocabulary()),
        "modules.json": json.dumps(modules),
        "sentence_bert_config.json": json.dumps({"max_seq_length": PLACES, "do_lower_case": False}),
        "1_Pooling/config.json": json.dumps({"word_embedding_dimension": WIDTH, f"pooling_mode_{pool}": True}),
    }
    return write(folder, config, bert_shapes("", 60), files)


def bert_cls(folder: Path) -> Path:
    """One that takes the first token's vector."""
    return bert(folder, "cls_token")


def bert_shapes(prefix: str, places: int) -> Shapes:
    """Shapes of a BERT."""
    shapes = {
        f"{prefix}embeddings.word_embeddings.weight": (len(vocabulary()), WIDTH),
        f"{prefix}embeddings.position_embeddings.weight": (places, WIDTH),
        f"{prefix}embeddings.token_type_embeddings.weight": (2, WIDTH),
        **norm(f"{prefix}embeddings.LayerNorm"),
        **linear(f"{prefix}pooler.dense", WIDTH, WIDTH),
    }
    for number in range(LAYERS):
        p = f"{prefix}encoder.layer.{number}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= linear(f"{p}.attention.{part}", WIDTH, WIDTH)
        shapes |= norm(f"{p}.attention.output.LayerNorm") | norm(f"{p}.output.LayerNorm")
        shapes |= linear(f"{p}.intermediate.dense", WIDTH, INNER) | linear(f"{p}.output.dense", INNER, WIDTH)
    return shapes


def vocabulary() -> list[str]:
    """A `vocab.txt` of WordPiece."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [word for word in dict.fromkeys(WORDS) if len(word) > 1]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters), *words, *",.:!'一个"]


def sentencepiece_model() -> bytes:
    """A SentencePiece Unigram model with the ids of T5's, as a protocol buffer."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    control, unknown, normal = 3, 2, 1
    pieces = [("<pad>", 0.0, control), ("</s>", 0.0, control), ("<unk>", 0.0, unknown)]
    pieces += [(f"\u2581{word}", -2 - len(word) / 100, normal) for word in dict.fromkeys(WORDS)]
    pieces += [(letter, -6 - number / 50, normal) for number, letter in enumerate("\u2581abcdefghijklmnopqrstuvwxyz一个")]
    made = b""
    for text, score, kind in pieces:
        made += field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + bytes([0x18, kind]))
    trainer = bytes([3 << 3, 1])  # Unigram
    normalizer = field(1, b"identity") + bytes([3 << 3, 1, 4 << 3, 1, 5 << 3, 1])  # a prefix, no runs of spaces, spaces escaped
    return made + field(2, trainer) + field(3, normalizer)


def gemma_json() -> str:
    """Gemma's `tokenizer.json`: BPE of characters with byte fallback; its own start and case are not those of SigLIP 2."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

    words = [f"\u2581{word}" for word in dict.fromkeys(WORDS)]
    steps = dict.fromkeys((word[:at], word[at]) for word in words for at in range(1, len(word)))
    letters = dict.fromkeys("\u2581abcdefghijklmnopqrstuvwxyz")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    ids = dict.fromkeys([*specials, *letters, *(a + b for a, b in steps)])
    pieces = {piece: number for number, piece in enumerate(ids)}
    made = Tokenizer(models.BPE(pieces, list(steps), fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "\u2581")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.post_processor = processors.TemplateProcessing(single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)])
    made.add_special_tokens([AddedToken(token, normalized=False) for token in specials])
    return made.to_str()


def preprocessor(mean: Sequence[float], std: Sequence[float], crop: bool = True) -> dict[str, str]:
    """`preprocessor_config.json`."""
    square = {"height": SIZE, "width": SIZE}
    cropping = {"size": {"shortest_edge": SIZE}, "do_center_crop": True, "crop_size": square} if crop else {"size": square}
    values = {"do_resize": True, "resample": 3, "do_rescale": True, "do_normalize": True, "image_mean": mean, "image_std": std, **cropping}
    return {"preprocessor_config.json": json.dumps(values)}


def write(folder: Path, config: Mapping[str, Any], shapes: Shapes, files: Mapping[str, str | bytes]) -> Path:
    """Writes a folder as it is on a hub."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(drawn(shapes), folder / "model.safetensors")
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


MAKERS = {
    "clip": clip,
    "siglip": siglip,
    "siglip2": siglip2,
    "chinese_clip": chinese_clip,
    "bert": bert,
    "bert_cls": bert_cls,
    "open_clip": open_clip,
    "perception": perception,
}


def asked(folder: Path, name: str) -> None:
    """Writes what `reference.py` asks a checkpoint."""
    places = {"chinese_clip": 52}.get(name, PLACES)
    mean, std = normalisation(folder)
    given = {"texts": TEXTS, "length": places, "mean": mean, "std": std}
    given["pool"] = "first" if name == "bert_cls" else "mean"
    (folder / "texts.json").write_text(json.dumps(given))
    np.save(folder / "pictures.npy", pictures())


def normalisation(folder: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of pictures, as the checkpoint has them; CLIP's for a sentence encoder."""
    if (folder / "open_clip_config.json").exists():
        about = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]
        return about["mean"], about["std"]
    settings = folder / "preprocessor_config.json"
    about = json.loads(settings.read_text()) if settings.exists() else {}
    return about.get("image_mean", CLIP_MEAN), about.get("image_std", CLIP_STD)


def drawings(count: int) -> np.ndarray:
    """Pictures that differ more than noise does: coloured stripes, `(count, SIZE, SIZE, 3)` uint8."""
    random = np.random.default_rng(2)
    across, down = np.meshgrid(np.linspace(0, 1, SIZE), np.linspace(0, 1, SIZE))
    made = []
    for _ in range(count):
        turns, phase, colours = random.uniform(-12, 12, 2), random.uniform(0, 6, 3), random.uniform(40, 127, 3)
        made.append(128 + colours * np.sin((across * turns[0] + down * turns[1])[..., None] + phase))
    return np.array(made).astype(np.uint8)


def pictures(count: int = 3, size: int = SIZE) -> np.ndarray:
    """`(count, size, size, 3)` uint8."""
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), np.uint8)
