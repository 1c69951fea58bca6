"""Converts the tower for pictures of a checkpoint of open_clip: `python torch_program.py CONFIG WEIGHTS TARGET`.

It needs an environment with PyTorch, open_clip and litert-torch. It is run as a program of its own and never imported by one that uses
TensorFlow, beside which PyTorch's converter does not run. CONFIG is `open_clip_config.json`. The converted tower takes pixels uint8
`[1, size, size, 3]`, normalises them, and returns `[1, d]` float32.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def main(config: Path, weights: Path, target: Path) -> None:
    """Builds the model, loads the weights and writes the tower."""
    import litert_torch
    import open_clip
    import torch
    from safetensors.torch import load_file
    from timm.utils import reparameterize_model

    given = json.loads(config.read_text())
    model_config, pictures = given["model_cfg"], given.get("preprocess_cfg", {})
    parts = {key: value for key, value in model_config.items() if key != "custom_text"}
    kind = open_clip.CustomTextCLIP if model_config.get("custom_text") else open_clip.CLIP
    model = kind(**parts)
    model.load_state_dict(load_file(weights))
    tower = reparameterize_model(model.visual.eval())

    class Pixels(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tower = tower
            self.register_buffer("mean", torch.tensor(pictures.get("mean", MEAN)) * 255)
            self.register_buffer("std", torch.tensor(pictures.get("std", STD)) * 255)

        def forward(self, query: Any) -> Any:
            pixels = (query.to(torch.float32) - self.mean) / self.std
            return {"embedding": self.tower(pixels.permute(0, 3, 1, 2))}

    size = model_config["vision_cfg"]["image_size"]
    example = {"query": torch.zeros((1, size, size, 3), dtype=torch.uint8)}
    litert_torch.signature("embed_image", Pixels().eval(), sample_kwargs=example).convert().export(str(target))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
