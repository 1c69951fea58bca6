"""What a searcher is and how good it is, for people: a report as one HTML file, and a model card."""
