"""The stages of building, updating and exporting a searcher.

Stages keep their results in a work folder, so that an interrupted build resumes.
"""

from maker.pipeline.build import build
from maker.pipeline.embed import embed
from maker.pipeline.embed_shards import embed_shards
from maker.pipeline.index import index_embeddings
from maker.pipeline.index_shards import index_shards
from maker.pipeline.options import BuildOptions, Corpus, TowerOptions
from maker.pipeline.report import BuildReport
from maker.pipeline.tuning import IndexSettings
from maker.pipeline.update import update_index

__all__ = [
    "BuildOptions",
    "BuildReport",
    "Corpus",
    "IndexSettings",
    "TowerOptions",
    "build",
    "embed",
    "embed_shards",
    "index_embeddings",
    "index_shards",
    "update_index",
]
