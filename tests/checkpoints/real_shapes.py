"""Makes checkpoints of the published shapes with drawn weights: `python real_shapes.py FOLDER NAME...`, in an environment with torch.

The tokenizer, `preprocessor_config.json`, `texts.json` and `pictures.npy` lie in FOLDER/NAME already; `reference.npz` joins them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import reference
import torch
import transformers

C, S, H = transformers.CLIPConfig, transformers.SiglipConfig, transformers.ChineseCLIPConfig
CLIP_PIECES = 49408


def frame(folder: Path) -> dict[str, int]:
    """The ids around a text that CLIP's tokenizer in the folder has; it is a small one."""
    pieces = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    return {"vocab_size": CLIP_PIECES, "eos_token_id": pieces - 1, "bos_token_id": pieces - 2, "pad_token_id": pieces - 1}


def tiny_clip(folder: Path) -> Any:
    """TinyCLIP-ViT-8M-16-Text-3M."""
    vision = {"hidden_size": 256, "num_hidden_layers": 10, "num_attention_heads": 4, "intermediate_size": 1024, "patch_size": 16}
    text = {"hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 1024}
    activation = {"hidden_act": "gelu"}
    return C(text_config={**text, **activation, **frame(folder)}, vision_config={**vision, **activation})


MODELS = {
    "clip-b32": lambda folder: transformers.CLIPModel(C(text_config=frame(folder))),
    "tinyclip-8m-16": lambda folder: transformers.CLIPModel(tiny_clip(folder)),
    "siglip-b16": lambda _: transformers.SiglipModel(S()),
    "siglip2-b16": lambda _: transformers.SiglipModel(S(text_config={"vocab_size": 256000})),
    "chinese-clip-b16": lambda _: transformers.ChineseCLIPModel(
        H(text_config={"vocab_size": 21128, "type_vocab_size": 2}, vision_config={"patch_size": 16})
    ),
}
OPEN_CLIP = {
    "open-clip-b32": "ViT-B-32",
    "pe-core-t16": "PE-Core-T-16-384",
    "pe-core-s16": "PE-Core-S-16-384",
    "mobileclip2-s0": "MobileCLIP2-S0",
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
    for name, values in model.named_buffers():
        if name.endswith("running_mean"):
            torch.nn.init.normal_(values, std=0.1)
        elif name.endswith("running_var"):
            torch.nn.init.uniform_(values, 0.5, 2)


def main(folder: Path, names: list[str]) -> None:
    """Makes the checkpoints, and what torch answers."""
    for name in names:
        torch.manual_seed(0)
        if name in OPEN_CLIP:
            open_clip_model(folder / name, OPEN_CLIP[name])
        elif name in MODELS:
            model = MODELS[name](folder / name)
            spread(model)
            model.save_pretrained(folder / name)
        reference.main(folder / name)


def open_clip_model(folder: Path, name: str) -> None:
    """Makes a model of open_clip, with its configuration."""
    import open_clip
    from safetensors.torch import save_file

    model = open_clip.create_model(name, pretrained=None, precision="fp32")
    spread(model)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"] = open_clip.get_model_config(name)
    (folder / "open_clip_config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
