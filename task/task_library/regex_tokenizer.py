"""The regex tokenizer of the Task Library; its pattern and vocabulary are in the model file."""

from __future__ import annotations

import re

from ..errors import DamagedFileError, InvalidArgumentError
from ..search.tokenizers import lines

PAD, START, UNKNOWN = "<PAD>", "<START>", "<UNKNOWN>"  # of its vocabulary
SPACE_CLASS = r"\t\n\f\r "


class RegexTokenizer:
    """Splits text at the matches of a pattern; case-sensitive."""

    def __init__(self, name: str, pattern: str, vocabulary: bytes) -> None:
        r"""Reads the vocabulary: one line per token, with the token, a space and its id.

        Args:
            name: Name of the model in errors.
            pattern: Matches the text between tokens. Classes such as `\w` are ASCII only.
            vocabulary: The file.

        Raises:
            InvalidArgumentError: The pattern is not valid.
            DamagedFileError: The vocabulary cannot be read, or lacks `<PAD>` or `<UNKNOWN>`.
        """
        try:
            self._delimiter = re.compile(_without_vertical_tab(pattern), re.ASCII)
        except re.error as error:
            raise InvalidArgumentError(f"{name}: the tokenizer's pattern {pattern!r} cannot be used ({error}).") from error
        self._ids: dict[str, int] = {}
        for number, line in enumerate(lines(vocabulary), 1):
            token, *rest = line.split(" ")
            try:
                self._ids[token] = int(rest[0])
            except (IndexError, ValueError) as error:
                raise DamagedFileError(f"{name}: line {number} of the vocabulary is {line!r}, expected a token and its id.") from error
        missing = [token for token in (PAD, UNKNOWN) if token not in self._ids]
        if missing:
            raise DamagedFileError(f"{name}: the vocabulary has no {missing[0]}.")

    def encode(self, text: str, length: int) -> list[int]:
        """The ids of a text, cut or padded to `length`."""
        tokens, start = [], 0
        for match in self._delimiter.finditer(text):
            if match.end() > match.start():
                tokens.append(text[start : match.start()])
                start = match.end()
        tokens.append(text[start:])
        ids = [self._ids[START]] if START in self._ids else []
        ids += [self._ids.get(token, self._ids[UNKNOWN]) for token in tokens if token]
        return (ids + [self._ids[PAD]] * length)[:length]


def _without_vertical_tab(pattern: str) -> str:
    r"""Gives `\s` and `\S` the meaning of RE2, which the Task Library uses: unlike Python, without the vertical tab."""
    result, within = "", False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == r"\s" or (part == r"\S" and not within):
            part = SPACE_CLASS if within else ("[^" if part == r"\S" else "[") + SPACE_CLASS + "]"
        elif part in "[]":
            within = part == "["
        result += part
    return result
