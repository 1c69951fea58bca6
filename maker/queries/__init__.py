"""A few thousand short queries in English and Chinese, for builds without captions; and lists of queries that users write."""

from maker.queries.compose import LANGUAGES, Query, built_in_queries
from maker.queries.read import read_queries

__all__ = ["LANGUAGES", "Query", "built_in_queries", "read_queries"]
