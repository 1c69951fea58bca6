"""Prepares pictures with a checkpoint's own library, with torch: `python reference_pictures.py CHECKPOINT FOLDER TARGET.npy`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def main(checkpoint: Path, folder: Path, target: Path) -> None:
    """Writes `(pictures, 3, height, width)` float32, normalised."""
    images = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]
    if (checkpoint / "open_clip_config.json").exists():
        from open_clip.transform import PreprocessCfg, image_transform_v2

        config = json.loads((checkpoint / "open_clip_config.json").read_text())
        given = {"size": config["model_cfg"]["vision_cfg"]["image_size"], **config["preprocess_cfg"]}
        process = image_transform_v2(PreprocessCfg(**given), is_train=False)
        values = [process(image).numpy() for image in images]
    else:
        import transformers

        settings = json.loads((checkpoint / "preprocessor_config.json").read_text())
        kind = json.loads((checkpoint / "config.json").read_text())["model_type"]
        names = {"clip": "CLIPImageProcessor", "siglip": "SiglipImageProcessor", "chinese_clip": "ChineseCLIPImageProcessor"}
        process = getattr(transformers, names[kind])(**settings)
        values = [np.asarray(process(images=image, return_tensors="np")["pixel_values"][0]) for image in images]
    np.save(target, np.stack(values).astype(np.float32))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
