"""EfficientNet-Lite2 with its real weights, rounded as the towers that PyTorch converts are: how near its features of photos stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from maker.checkpoints.rounded import RoundedProducts
from maker.encoders.weights import Weights
from maker.export.encoder_file import write_encoder
from maker.graph.source import Source
from maker.graph.subgraph import Subgraph
from task.core import BaseOptions
from task.search import GraphEmbedder
from tests.outside_data import FLICKR, WEIGHTS, absent

NETWORK, PHOTOS = WEIGHTS / "efficientnet_lite2_260.tflite", FLICKR / "images"
SIZE, FEATURES, COUNT = 260, 1280, 150
COSINE = 0.998


class Network:
    """EfficientNet-Lite2 from uint8 `[1, 260, 260, 3]` to its 1280 features."""

    input_shape = (1, SIZE, SIZE, 3)

    def __init__(self, weights: Weights) -> None:
        self.source = Source(NETWORK)
        self.rounded = RoundedProducts(self.source, weights)

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the network."""
        pixels = g.mul(g.sub(g.cast(query, np.float32), np.array(127, np.float32)), np.array(1 / 128, np.float32))
        (features,) = g.inline(self.source, {self.source.inputs()[0].index: pixels}, [self.source.outputs()[0].index], None, self.rounded)
        return features


def compared(folder: Path, photos: int = COUNT) -> list[str]:
    """Prints how near the rounded network is to the original; returns what is too far."""
    for needed in (NETWORK, PHOTOS):
        if not needed.exists():
            print(f"efficientnet-lite2: left out: {absent(needed)}", flush=True)
            return []
    paths = sorted(PHOTOS.iterdir())
    paths = paths[:: max(1, len(paths) // photos)][:photos]
    pictures = [np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for path in paths]
    found, sizes = {}, {}
    weights: Weights
    for weights in ("float32", "int8"):
        path = folder / f"efficientnet-lite2-{weights}.tflite"
        write_encoder(path, {"image": Network(weights)}, {"image": Network.input_shape}, dimension=FEATURES)
        embedder = GraphEmbedder(BaseOptions(str(path), num_threads=1))
        found[weights] = np.array([embedder.embed_image(picture) for picture in pictures])
        embedder.close()
        sizes[weights] = path.stat().st_size / 1e6
    cosines = (found["int8"] * found["float32"]).sum(1)
    figures = f"smallest cosine of {len(paths)} photos {cosines.min():.5f}, median {np.median(cosines):.5f}"
    print(f"efficientnet-lite2 int8: {figures}; {sizes['float32']:.1f} MB, {sizes['int8']:.1f} MB in int8", flush=True)
    return [f"int8: {figures}"] if cosines.min() < COSINE else []
