"""What a searcher's items can be exported as."""

EXPORT_FORMATS = {
    "task_library": "an embedder with the index in it",
    "scann_index_file": "the index alone",
}
