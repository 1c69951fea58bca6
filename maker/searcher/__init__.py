"""The searcher API of Model Maker: it takes embeddings and a `.tflite` embedder and writes a searcher. It does not import TensorFlow.

```python
from maker import searcher

data = searcher.DataLoader("embedder.tflite", embeddings, metadata)
options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
model = searcher.Searcher.create_from_data(data, options)
model.export(export_filename="searcher.tflite", userinfo="", export_format=searcher.ExportFormat.TFLITE)
```
"""

from maker.index.options import ScaNNOptions, ScoreAH, ScoreBruteForce, Tree
from maker.searcher.data_loader import DataLoader
from maker.searcher.loaders import ImageDataLoader, MetadataType, TextDataLoader
from maker.searcher.searcher import ExportFormat, Searcher

__all__ = [
    "DataLoader",
    "ExportFormat",
    "ImageDataLoader",
    "MetadataType",
    "ScaNNOptions",
    "ScoreAH",
    "ScoreBruteForce",
    "Searcher",
    "TextDataLoader",
    "Tree",
]
