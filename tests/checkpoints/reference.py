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
    print(folder, {name: value.shape for name, value in reference.items()})  # noqa: T201


def tokenized(folder: Path, kind: str, given: dict[str, Any]) -> Any:
    """Ids and mask."""
    if kind == "siglip" and (folder / "tokenizer.json").exists():  # SigLIP 2: lower case, an end, padding to the right
        library = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = np.zeros((len(given["texts"]), given["length"]), np.int64)
        for row, text in zip(ids, given["texts"], strict=True):
            found = [*library.encode(text.lower(), add_special_tokens=False).ids, library.token_to_id("<eos>")]
            row[: len(found)] = found
        return {"input_ids": torch.tensor(ids)}
    plain = kind in ("bert", "chinese_clip")
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
