"""Filters as text, such as `year >= 2024 and album == 'Norway' and 'beach' in tags`. They are parsed, never run as code.

    filter     = all {"or" all}
    all        = one {"and" one}
    one        = "not" one | "(" filter ")" | "missing" "(" column ")" | near | in | comparison
    near       = "near" "(" column "," column "," number "," number "," number ("km" | "m" | "mi") ")"
    in         = text ["not"] "in" column | column ["not"] "in" "(" value {"," value} ")"
    comparison = operand operator operand {operator operand}     a column and values: `2020 <= year < 2024`
    column     = name | `name` | ("year" | "month" | "day") "(" column ")"
    value      = number | text | date

A name begins with a letter; any other name of a column stands in backquotes. A text stands in quotes of either kind, in which a backslash
takes the next character as it is. A date is `2024-05-31`, `2024-05` or `2024-05-31T14:30`; a year alone is a number unless it is in quotes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NoReturn

from ..errors import ArgumentTypeError, InvalidArgumentError
from .balance import balanced, joined
from .where import KILOMETRES, OPERATORS, UNITS, Both, Compare, Condition, Either, Has, Missing, Near, Not, Value

LONGEST, DEEPEST = 100_000, 100  # characters; nested brackets and `not`s
TOKEN = re.compile(
    r"""\s*(?:
    (?P<date>[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?(?![\w-]))
    |(?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |`(?P<quoted>[^`]+)`
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>==|!=|<=|>=|<|>|=|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL,
)
SWAPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
WORDS = ("and", "or", "not", "in")


def parsed(where: str | Condition) -> Condition:
    """The condition that a filter states; a condition is returned as it is, unless it is a long chain of others.

    Raises:
        InvalidArgumentError: The text is not a filter; the message shows the place. Or a condition is nested too deep.
    """
    if isinstance(where, Condition):
        return balanced(where)
    if not isinstance(where, str):
        raise ArgumentTypeError(f"where has to be a str or a condition, found {type(where).__name__}.")
    if len(where) > LONGEST:
        raise InvalidArgumentError(f"where has {len(where)} characters, expected at most {LONGEST}.")
    return _condition(where)


@lru_cache(maxsize=64)
def _condition(where: str) -> Condition:
    return _Parser(where).filter()


class _Name(str):
    """The name of a column."""


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._depth = text, 0
        self._tokens: list[tuple[str, str, int]] = []  # kind, content and place
        at = 0
        end = len(text.rstrip())
        while at < end:
            match = TOKEN.match(text, at)
            if match is None:
                self._fail("this character starts nothing that is known", len(text) - len(text[at:].lstrip()))
            kind = str(match.lastgroup)
            self._tokens.append((kind, match.group(kind), match.start(kind)))
            at = match.end()
        self._at = 0

    def filter(self) -> Condition:
        condition = self._any()
        if self._at < len(self._tokens):
            self._fail("expected 'and', 'or' or the end")
        return condition

    def _any(self) -> Condition:
        conditions = [self._all()]
        while self._taken("or"):
            conditions.append(self._all())
        return joined(Either, conditions)

    def _all(self) -> Condition:
        conditions = [self._one()]
        while self._taken("and"):
            conditions.append(self._one())
        return joined(Both, conditions)

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"it is nested deeper than {DEEPEST}")
        try:
            if self._taken("not"):
                return Not(self._one())
            if self._taken("("):
                condition = self._any()
                self._need(")")
                return condition
            if self._called("missing"):
                condition = Missing(self._column())
                self._need(")")
                return condition
            if self._called("near"):
                return self._near()
            return self._comparison()
        finally:
            self._depth -= 1

    def _near(self) -> Condition:
        latitude = self._column()
        self._need(",")
        longitude = self._column()
        figures = []
        for _ in range(3):
            self._need(",")
            figures.append(self._number())
        kind, unit, _ = self._peek()
        if kind != "name" or unit not in KILOMETRES:
            self._fail(f"near needs a unit, one of {', '.join(KILOMETRES)}")
        self._at += 1
        self._need(")")
        return Near(latitude, longitude, (figures[0], figures[1]), figures[2] * KILOMETRES[unit])

    def _comparison(self) -> Condition:
        left = self._operand()
        inverted = self._taken("not")
        if inverted or self._peek()[1:2] == ("in",) and self._peek()[0] == "name":
            self._need("in")
            return self._in(left, inverted)
        conditions = []
        while self._peek()[0] == "sign" and self._peek()[1] in (*OPERATORS, "="):
            sign = self._peek()[1]
            if sign == "=":
                self._fail("expected == to compare")
            self._at += 1
            right = self._operand()
            conditions.append(self._compared(left, sign, right))
            left = right
        if not conditions:
            self._fail(f"expected a comparison ({' '.join(OPERATORS)} in)")
        return joined(Both, conditions)

    def _compared(self, left: Value, sign: str, right: Value) -> Condition:
        if isinstance(left, _Name) == isinstance(right, _Name):
            what = "two columns" if isinstance(left, _Name) else "two values"
            self._fail(f"a comparison of {what}; expected a column and a value (a text stands in quotes)", back=1)
        return Compare(str(left), sign, right) if isinstance(left, _Name) else Compare(str(right), SWAPPED[sign], left)

    def _in(self, left: Value, negated: bool) -> Condition:
        if isinstance(left, _Name):
            self._need("(")
            choices: list[Condition] = []
            while not choices or self._taken(","):
                value = self._operand()
                if isinstance(value, _Name):
                    self._fail("expected a value; a text stands in quotes", back=1)
                choices.append(Compare(str(left), "!=" if negated else "==", value))
            self._need(")")
            return joined(Both if negated else Either, choices)
        column = self._column()
        if not isinstance(left, str):
            self._fail("expected a text in quotes before 'in'", back=2)
        return Has(column, left, negated)

    def _operand(self) -> Value:
        kind, content, _ = self._peek()
        if kind in ("name", "quoted"):
            return _Name(self._column())
        if kind == "number":
            return self._number()
        if kind not in ("text", "date"):
            self._fail("expected a column or a value")
        self._at += 1
        return re.sub(r"\\(.)", r"\1", content[1:-1], flags=re.DOTALL) if kind == "text" else content

    def _column(self, of_time: bool = False) -> str:
        kind, content, _ = self._peek()
        if kind == "name" and not of_time:
            for unit in UNITS:
                if self._called(unit):
                    name = f"{unit}({self._column(of_time=True)})"
                    self._need(")")
                    return name
        if kind not in ("name", "quoted") or (kind == "name" and content in WORDS):
            self._fail("expected the name of a column")
        self._at += 1
        return content

    def _number(self) -> float:
        kind, content, _ = self._peek()
        if kind != "number":
            self._fail("expected a number")
        self._at += 1
        return float(content)

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", len(self._text))

    def _taken(self, word: str) -> bool:
        kind, content, _ = self._peek()
        if kind in ("name", "sign") and content == word:
            self._at += 1
            return True
        return False

    def _called(self, name: str) -> bool:
        """Takes a name and the bracket behind it."""
        if self._taken(name):
            if self._taken("("):
                return True
            self._at -= 1
        return False

    def _need(self, word: str) -> None:
        if not self._taken(word):
            self._fail(f"expected {word!r}")

    def _fail(self, problem: str, place: int | None = None, back: int = 0) -> NoReturn:
        if place is None:
            self._at -= back
            place = self._peek()[2]
        rest = self._text[place : place + 20]
        raise InvalidArgumentError(f"where: {problem}, found {rest!r} at character {place + 1} of {self._text[:80]!r}.")
