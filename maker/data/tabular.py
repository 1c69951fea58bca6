"""Captions in tables: TSV and CSV with a header, and the `token.txt` of Flickr8k and Flickr30k."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maker.data.caption import NAMES, Caption, accepted, field_name, make_caption
from maker.data.text_file import open_text
from maker.errors import DataError
from maker.workspace import Rejects

csv.field_size_limit(1 << 30)
DELIMITERS = {"tsv": "\t", "csv": ",;|"}  # Excel writes semicolons where the decimal mark is a comma
MAX_CELL_LINES = 200  # a longer quoted cell is more likely a quote that is never closed


@dataclass(frozen=True)
class Table:
    """The layout of a table.

    Attributes:
        format: `tsv` or `csv`.
        delimiter: The character between cells.
        quoted: Whether quotes around a cell are part of the format. In a TSV they are only if the header is quoted.
        header: The names of all columns.
        columns: The positions of image, caption, split and lang, as far as the header names them.
    """

    format: str
    delimiter: str
    quoted: bool
    header: list[str]
    columns: dict[str, int]

    @property
    def is_complete(self) -> bool:
        """Whether there are columns for images and captions."""
        return {"image", "caption"} <= self.columns.keys()


def read_header(line: str, formats: Iterable[str] = ("tsv", "csv")) -> Table:
    """Recognises the layout by the header: the first one with image and caption columns, else the one with most known columns."""
    tables = []
    for format in formats:
        for delimiter in DELIMITERS[format]:
            quoted = format == "csv" or line.lstrip().startswith('"')
            header = _cells(line, delimiter, quoted) or [cell.strip() for cell in line.strip().split(delimiter)]
            tables.append(Table(format, delimiter, quoted, header, find_columns(header)))
    return next((table for table in tables if table.is_complete), max(tables, key=lambda table: (len(table.columns), len(table.header))))


def read_table(path: Path, format: str, rejects: Rejects) -> list[Caption]:
    """Reads a table whose header names `image`, `caption` and optionally `split` and `lang`.

    CSV is read with quoting; TSV is read without, unless its header is quoted.

    Raises:
        DataError: The file is missing, not UTF-8, or has no column for images or captions.
    """
    with open_text(path) as file:
        table = read_header(next(file, ""), [format])
        for wanted in ("image", "caption"):
            if wanted not in table.columns:
                raise DataError(f"{path}: line 1: {missing_column(table)}")
        rows = ((_row_caption(row, table, number), f"line {number}") for number, row in _rows(file, table))
        return accepted(rows, path.name, rejects)


def missing_column(table: Table) -> str:
    """What a header without a column for images or captions lacks, and what to do."""
    wanted = "image" if "image" not in table.columns else "caption"
    found = ", ".join(table.header)[:100] or "nothing"
    return f"no column {wanted!r} (or {', '.join(NAMES[wanted][1:])}); found {found}; rename the column"


def _rows(lines: Iterable[str], table: Table) -> Iterator[tuple[int, list[str] | str]]:
    """Line number and cells of each row, or the reason why it has none.

    A quoted cell may contain line ends. A quote that is never closed is an ordinary character if the number of cells fits.
    """
    waiting: list[tuple[int, str]] = list(enumerate(lines, start=2))[::-1]
    while waiting:
        number, line = waiting.pop()
        if not line.strip():
            continue
        if not table.quoted:
            yield number, line.rstrip("\r\n").split(table.delimiter)
            continue
        taken, cells = [(number, line)], _cells(line, table.delimiter, quoted=True)
        while cells is None and waiting and len(taken) < MAX_CELL_LINES:
            taken.append(waiting.pop())
            cells = _cells("".join(text for _, text in taken), table.delimiter, quoted=True)
        if cells is None or (len(taken) > 1 and len(cells) != len(table.header)):
            waiting.extend(reversed(taken[1:]))
            literal = line.rstrip("\r\n").split(table.delimiter)
            yield number, literal if len(literal) == len(table.header) else "a quote is opened and never closed"
        else:
            yield number, cells


def _cells(text: str, delimiter: str, quoted: bool) -> list[str] | None:
    """The cells of one row; None if its quotes do not match."""
    try:
        rows = list(csv.reader([text], delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _row_caption(row: list[str] | str, table: Table, line: int) -> Caption | str:
    if isinstance(row, str):
        return row
    expected, caption = len(table.header), table.columns["caption"]
    if len(row) > expected and not any(cell.strip() for cell in row[expected:]):
        row = row[:expected]  # Excel pads rows with empty cells
    if len(row) > expected and caption == expected - 1:
        row = [*row[:caption], table.delimiter.join(row[caption:])]  # an unquoted sentence with commas
    if len(row) != expected:
        return f"too {'few' if len(row) < expected else 'many'} columns: {len(row)}, expected {expected}"
    return make_caption({name: row[at] for name, at in table.columns.items()}, line)


def find_columns(header: Sequence[str]) -> dict[str, int]:
    """The positions of image, caption, split and lang in a header, as far as it names them."""
    names = [field_name(name) for name in header]
    found = {}
    for wanted, synonyms in NAMES.items():
        place = next((names.index(name) for name in synonyms if name in names), None)
        if place is not None:
            found[wanted] = place
    return found


def read_flickr_tokens(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads lines `image.jpg#0<TAB>caption`, the format of Flickr8k and Flickr30k.

    Raises:
        DataError: The file is missing or not UTF-8.
    """
    with open_text(path) as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        return accepted(((_token_caption(line, number), f"line {number}") for number, line in lines), path.name, rejects)


def _token_caption(line: str, number: int) -> Caption | str:
    name, tab, text = line.rstrip("\r\n").partition("\t")
    return make_caption({"image": name.rpartition("#")[0], "caption": text}, number) if tab else "too few columns: 1"
