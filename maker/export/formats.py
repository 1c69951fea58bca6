"""The export formats for the items of a searcher."""

EXPORT_FORMATS = {
    "task_library": "an embedder that contains the index",
    "scann_index_file": "the index alone",
}
