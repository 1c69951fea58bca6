"""The only code that knows every stage. Each stage reads and writes files in a work folder, so that a killed build resumes."""

from maker.pipeline.build import build
from maker.pipeline.embed import embed
from maker.pipeline.index import IndexSettings, index_embeddings
from maker.pipeline.report import BuildReport

__all__ = ["BuildReport", "IndexSettings", "build", "embed", "index_embeddings"]
