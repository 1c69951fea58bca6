"""What `transformers` makes of checkpoints: `python reference.py FOLDER...`, in an environment with torch and without this project.

Each folder holds a checkpoint, `texts.json` and `pictures.npy`; `reference.npz` is written beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertTokenizer


def main(folder: Path) -> None:
    """Writes the embeddings, of norm 1, and the ids that the tokenizer makes."""
    if (folder / "open_clip_config.json").exists():
        open_clip_reference(folder)
        return
    config = AutoConfig.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="eager").eval()
    given = json.loads((folder / "texts.json").read_text())
    reference: dict[str, Any] = {}
    made = tokenized(folder, config.model_type, given)
    reference["ids"] = made["input_ids"].numpy().astype(np.int32)
    with torch.no_grad():
        if hasattr(model, "get_text_features"):
            wanted = {"input_ids": made["input_ids"]}
            if config.model_type in ("clip", "chinese_clip"):
                wanted["attention_mask"] = made["attention_mask"]
            reference["text"] = unit(pooled(model.get_text_features(**wanted)))
            mean, std = (torch.tensor(given[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
            pixels = torch.tensor(np.load(folder / "pictures.npy")).permute(0, 3, 1, 2) / 255
            reference["image"] = unit(pooled(model.get_image_features(pixel_values=(pixels - mean) / std)))
        else:
            hidden = model(**made).last_hidden_state
            weight = made["attention_mask"][..., None].float()
            vectors = hidden[:, 0] if given["pool"] == "first" else (hidden * weight).sum(1) / weight.sum(1)
            reference["text"] = unit(vectors)
    np.savez_compressed(folder / "reference.npz", **reference)
    print(folder, {name: value.shape for name, value in reference.items()})


def open_clip_reference(folder: Path) -> None:
    """The same for a checkpoint of open_clip."""
    import open_clip
    from safetensors.torch import load_file

    given = json.loads((folder / "texts.json").read_text())
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    tensors = load_file(folder / "open_clip_model.safetensors")
    vision, text = config["vision_cfg"], config["text_cfg"]
    quick = config.get("quick_gelu", False)
    if vision.get("timm_model_name") == "vit_pe_core_test":
        image = tiny_perception(vision, tensors, config["embed_dim"])
        model = open_clip.CustomTextCLIP(config["embed_dim"], {"timm_model_name": "vit_tiny_patch16_224"}, text, quick).eval()
        model.text.load_state_dict({name.removeprefix("text."): value for name, value in tensors.items() if name.startswith("text.")})
    else:
        kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
        model = kind(config["embed_dim"], vision, text, quick).eval()  # of a timm tower, too, whose weights follow
        model.load_state_dict(tensors)
        image = model.visual
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = np.zeros((len(given["texts"]), given["length"]), np.int64)
    for row, words in zip(ids, given["texts"], strict=True):
        found = library.encode(words).ids
        row[: len(found)] = found
    mean, std = (torch.tensor(given[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    pixels = torch.tensor(np.load(folder / "pictures.npy")).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        reference = {"ids": ids.astype(np.int32), "text": unit(model.encode_text(torch.tensor(ids)))}
        reference["image"] = unit(image((pixels - mean) / std))
    np.savez_compressed(folder / "reference.npz", **reference)
    print(folder, {name: value.shape for name, value in reference.items()})


def tiny_perception(vision: dict[str, Any], tensors: dict[str, Any], dimension: int) -> Any:
    """A small tower for pictures of the class that timm makes the Perception Encoder's of."""
    from functools import partial

    from timm.models.eva import Eva

    trunk = "visual.trunk."
    state = {name.removeprefix(trunk): value for name, value in tensors.items() if name.startswith(trunk)}
    width, _, patch, _ = state["patch_embed.proj.weight"].shape
    across = vision["image_size"] // patch
    model = Eva(
        img_size=vision["image_size"],
        patch_size=patch,
        embed_dim=width,
        depth=2,
        num_heads=4,
        mlp_ratio=4.0,
        num_classes=dimension,
        global_pool="map",
        attn_type="rope",
        use_pre_transformer_norm=True,
        use_rot_pos_emb=True,
        ref_feat_shape=(across, across),
        rope_grid_offset=1.0,
        rope_grid_indexing="xy",
        attn_pool_num_heads=8,
        attn_pool_mlp_ratio=4.0,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-5),
    )
    model.load_state_dict(state)
    return model.eval()


def tokenized(folder: Path, kind: str, given: dict[str, Any]) -> Any:
    """Ids and mask."""
    if kind == "siglip" and (folder / "tokenizer.json").exists():  # SigLIP 2: lower case, an end, padding to the right
        library = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = np.zeros((len(given["texts"]), given["length"]), np.int64)
        for row, text in zip(ids, given["texts"], strict=True):
            found = [*library.encode(text.lower(), add_special_tokens=False).ids, library.token_to_id("<eos>")]
            row[: len(found)] = found
        return {"input_ids": torch.tensor(ids)}
    plain = (folder / "vocab.txt").exists()
    tokenizer = BertTokenizer(str(folder / "vocab.txt")) if plain else AutoTokenizer.from_pretrained(folder)
    return tokenizer(given["texts"], padding="max_length", truncation=True, max_length=given["length"], return_tensors="pt")


def pooled(output: Any) -> torch.Tensor:
    """The embedding of what a model returns, which depends on the release."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def unit(vectors: torch.Tensor) -> np.ndarray:
    """Rows of norm 1."""
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        main(Path(argument))
