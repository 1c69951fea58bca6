"""The tokenizer of a checkpoint's folder."""

from __future__ import annotations

from pathlib import Path

from maker.encoders.tokenizer_file import TextModelOptions, TokenizerFile, read_tokenizer
from maker.errors import EncoderError

FILES = ("tokenizer.json", "vocab.txt")


def folder_tokenizer(folder: Path, length: int, pieces: int, masked: bool) -> TokenizerFile:
    """The tokenizer in a folder.

    Args:
        folder: The checkpoint's.
        length: Places of the text tower.
        pieces: Ids that the text tower knows.
        masked: Whether the text tower has to know where there are ids.

    Raises:
        EncoderError: There is none, it cannot be read, or it gives ids that the tower does not know.
    """
    found = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if found is None:
        raise EncoderError(f"{folder}: has no tokenizer, expected {' or '.join(FILES)}; download it with the checkpoint")
    tokenizer = read_tokenizer(TextModelOptions(tokenizer=found, length=length))
    if tokenizer.size > pieces:
        raise EncoderError(f"{found}: gives ids up to {tokenizer.size - 1}, but the text tower knows {pieces}; it is of another checkpoint")
    return tokenizer.fitted(length, masked)
