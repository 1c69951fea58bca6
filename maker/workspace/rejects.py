"""Rejected inputs, each with its place and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from maker.workspace.atomic import atomic


@dataclass
class Rejects:
    """Collects rejected inputs.

    Attributes:
        rows: `(input, place, reason)`; the place is a line or row, or empty.
    """

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    _seen: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, name: str, reason: str, place: str = "") -> None:
        """Adds a rejected input. Repeated calls with the same arguments add it once."""
        if (name, place, reason) not in self._seen:
            self._seen.add((name, place, reason))
            self.rows.append((name, place, reason))

    def summary(self) -> str:
        """The number of inputs by reason, the most frequent first."""
        reasons = Counter(reason.split(":")[0] for _, _, reason in self.rows)
        return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())

    def read(self, path: Path) -> None:
        """Adds the rows that an earlier run wrote; nothing if there is no such file."""
        lines = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
        for name, place, reason in (line.split("\t") for line in lines):
            self.add(name, reason, place)

    def write(self, path: Path) -> None:
        """Writes a TSV with the header `input place reason`, also if there are no rows."""
        with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write("input\tplace\treason\n")
            for row in self.rows:
                file.write("\t".join(" ".join(cell.split()) for cell in row) + "\n")
