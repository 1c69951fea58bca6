"""Makes checkpoints of the published shapes with drawn weights: `python real_shapes.py FOLDER NAME...`, in an environment with torch.

The tokenizer, `preprocessor_config.json`, `texts.json` and `pictures.npy` lie in FOLDER/NAME already; `reference.npz` joins them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import reference
import torch
import transformers

C, S, H, B = transformers.CLIPConfig, transformers.SiglipConfig, transformers.ChineseCLIPConfig, transformers.BertConfig
END = {"eos_token_id": 49407, "bos_token_id": 49406, "pad_token_id": 49407}
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536, "vocab_size": 30522}


def tiny_clip() -> Any:
    """TinyCLIP-ViT-8M-16-Text-3M."""
    vision = {"hidden_size": 256, "num_hidden_layers": 10, "num_attention_heads": 4, "intermediate_size": 1024, "patch_size": 16}
    text = {"hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 1024}
    activation = {"hidden_act": "gelu"}
    return C(text_config={**text, **activation, **END}, vision_config={**vision, **activation})


MODELS = {
    "clip-b32": lambda: transformers.CLIPModel(C(text_config=END)),
    "tinyclip-8m-16": lambda: transformers.CLIPModel(tiny_clip()),
    "siglip-b16": lambda: transformers.SiglipModel(S()),
    "siglip2-b16": lambda: transformers.SiglipModel(S(text_config={"vocab_size": 256000})),
    "chinese-clip-b16": lambda: transformers.ChineseCLIPModel(
        H(text_config={"vocab_size": 21128, "type_vocab_size": 2}, vision_config={"patch_size": 16})
    ),
    "minilm-l6": lambda: transformers.BertModel(B(**MINILM)),
}


def spread(model: Any) -> None:
    """Draws weights so large that each layer matters; the usual ones of an untrained model are not."""
    for name, values in model.named_parameters():
        if values.ndim >= 2 and "position" not in name and "token_embedding" not in name and "word_embeddings" not in name:
            torch.nn.init.normal_(values, std=1.0 / values[0].numel() ** 0.5)
        elif "norm" in name.lower() and name.endswith("weight"):
            torch.nn.init.uniform_(values, 0.5, 1.5)
        elif values.ndim == 1 and "logit" not in name:
            torch.nn.init.normal_(values, std=0.1)


def main(folder: Path, names: list[str]) -> None:
    """Makes the checkpoints, and what torch answers."""
    for name in names:
        torch.manual_seed(0)
        model = MODELS[name]()
        spread(model)
        model.save_pretrained(folder / name)
        reference.main(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
