"""Tokenizers as graph operators: UTF-8 bytes in, a model's ids and mask out.

`recognise` reads a tokenizer file and makes a `graph.GraphTokenizer` of it, or names the part that it does not know. A text goes through
`utf8` (bytes to code points), `unicode_form` or `rules` (only where neighbours act on each other, behind IF), `expansion` (what each code
point becomes), then `wordpiece`, `byte_level` and `merges`, or `unigram`, and `frame`. `check` compares a graph with its library.

Every look-up in here, of code points excepted, is one `sparse_table`: pairs to merge, tries, whole words, characters that compose.
"""
