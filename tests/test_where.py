"""Filters: which items an expression leaves, exactly, by comparison with a plain evaluation item by item; and what is refused."""

from __future__ import annotations

import math
import random
import struct
from datetime import datetime, timedelta

import numpy as np
import pytest

from task.errors import ArgumentTypeError, InvalidArgumentError
from task.format import facts as facts_file
from task.search.facts import AddedFacts, SearchedFacts, checked
from task.search.moments import seconds, span
from task.search.where import Compare, Condition, Has, Missing, Near
from task.search.where_parser import parsed

ITEMS, EXPRESSIONS = 40, 10_000
ALBUMS = ["Norway", "Norwegen", "", "norway", "Ü 1", "it's", 'a "b"', "猫"]
TAG_NAMES = ["beach", "sea", "a b", "海"]
TYPES = {"size": "number", "stars": "number", "album": "text", "taken": "time", "tags": "tags", "lat": "number", "lon": "number"}


class Given:
    """A part whose columns are given."""

    def __init__(self, columns: dict[str, facts_file.Column]) -> None:
        self.columns, self.types = columns, {name: column.type for name, column in columns.items()}
        self.items = max(len(column.values) for column in columns.values())

    def read(self, name: str) -> facts_file.Column:
        return self.columns[name]


def drawn_items(rng: random.Random) -> list[dict]:
    """Facts of items; about one in four is not known."""

    def item() -> dict:
        facts = {
            "size": rng.choice([-3, 0, 0.5, 7, 7.25, 1e9]),
            "stars": rng.randrange(6),
            "album": rng.choice(ALBUMS),
            "taken": datetime(2019, 12, 30, 23, 59, 58) + timedelta(seconds=rng.choice([0, 1, 2, 3, 86400, 40 * 86400, 400 * 86400])),
            "tags": rng.sample(TAG_NAMES, rng.randrange(4)),
            "lat": rng.uniform(-90, 90),
            "lon": rng.uniform(-180, 180),
        }
        return {name: value for name, value in facts.items() if rng.random() > 0.25}

    return [item() for _ in range(ITEMS)]


class Stored:
    """The columns of a file as a part of the facts."""

    def __init__(self, facts: facts_file.Facts) -> None:
        self.items, self.types, self.read = facts.items, facts.types, facts.column


def stored(items: list[dict]) -> SearchedFacts:
    """The items as columns that were written and read again, split into a file's and added ones."""
    values = [checked(item, TYPES).values for item in items]
    half = len(items) // 2
    columns = {name: facts_file.column_of(kind, [item.get(name) for item in values[:half]]) for name, kind in TYPES.items()}
    listed, data = facts_file.encode(columns, half)
    padding = b"xyz"  # the place in a file is not aligned
    read = facts_file.Facts(listed, padding + data, (len(padding), len(data)))
    added = AddedFacts({half + i: item for i, item in enumerate(values[half:])}, TYPES, range(half, len(items)))

    return SearchedFacts.of([Stored(read), added])


def quoted(text: str, rng: random.Random) -> str:
    quote = rng.choice("'\"")
    return quote + "".join(f"\\{c}" if c in (quote, "\\") else c for c in text) + quote


OPERATORS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
SWAPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
TIMES = ["2019", "2020", "2019-12", "2020-02", "2019-12-31", "2020-01-01", "2019-12-31T00:00", "2019-12-30T23:59:59", "2021-02-03"]


def comparison(rng: random.Random, column: str, value: object, shown: str, get) -> tuple[str, object]:
    sign = rng.choice(list(OPERATORS))

    def holds(item: dict) -> bool:
        known = get(item)
        return known is not None and OPERATORS[sign](known, value)

    return (f"{column} {sign} {shown}" if rng.random() < 0.7 else f"{shown} {SWAPPED[sign]} {column}"), holds


def time_comparison(rng: random.Random) -> tuple[str, object]:
    """Times compare with as many characters as the date has: that is what a shortened date means."""
    value = rng.choice(TIMES)
    shown = f"'{value}'" if len(value) == 4 or rng.random() < 0.5 else value
    return comparison(rng, "taken", value, shown, lambda i: i["taken"].isoformat()[: len(value)] if "taken" in i else None)


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """By the angle between two directions, not by haversine."""
    x, y = ([math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)] for p, q in (map(math.radians, a), map(math.radians, b)))
    return 6371.0088 * math.atan2(float(np.linalg.norm(np.cross(x, y))), float(np.dot(x, y)))


def leaf(rng: random.Random) -> tuple[str, object]:
    kind = rng.randrange(10)
    if kind < 2:
        column, value = rng.choice(["size", "stars"]), rng.choice([-3, 0, 0.5, 3, 7, 7.25, 1e9])
        return comparison(rng, column, value, repr(value), lambda i: i.get(column))
    if kind == 2:
        value = rng.choice([*ALBUMS, "Nor", "zzz"])
        return comparison(rng, "album", value, quoted(value, rng), lambda i: i.get("album"))
    if kind == 3:
        return time_comparison(rng)
    if kind == 4:
        unit, value = rng.choice([("year", 2020), ("year", 2019), ("month", 12), ("day", 31), ("month", 1)])
        name = rng.choice([unit, f"{unit}(taken)", f"{unit} ( `taken` )"])
        return comparison(rng, name, value, str(value), lambda i: getattr(i["taken"], unit) if "taken" in i else None)
    negated = rng.random() < 0.3
    word = "not in" if negated else "in"
    if kind == 5:
        tag = rng.choice([*TAG_NAMES, "none"])
        return f"{quoted(tag, rng)} {word} tags", lambda i: (tag in i.get("tags", [])) != negated
    if kind == 6:
        part = rng.choice(["", "or", "way", "b", "Ü", "y"])
        return f"{quoted(part, rng)} {word} album", lambda i: "album" in i and (part in i["album"]) != negated
    if kind == 7:
        values = rng.sample(ALBUMS, rng.randrange(1, 4))
        listed = ", ".join(quoted(v, rng) for v in values)
        return f"album {word} ({listed})", lambda i: "album" in i and (i["album"] in values) != negated
    if kind == 8:
        column = rng.choice(list(TYPES))
        return f"missing({column})", lambda i: i.get(column, []) == []
    at, far, unit = (rng.uniform(-90, 90), rng.uniform(-180, 180)), rng.uniform(0, 15000), rng.choice(["km", "m", "mi"])
    factor = {"km": 1, "m": 0.001, "mi": 1.609344}[unit]
    text = f"near(lat, lon, {at[0]!r}, {at[1]!r}, {far / factor!r} {unit})"
    return text, lambda i: "lat" in i and "lon" in i and kilometres((i["lat"], i["lon"]), at) <= far


def expression(rng: random.Random, depth: int) -> tuple[str, object]:
    if depth == 0 or rng.random() < 0.3:
        return leaf(rng)
    kind = rng.randrange(3)
    text, holds = expression(rng, depth - 1)
    if kind == 0:
        return f"not ({text})", lambda i: not holds(i)
    other, too = expression(rng, depth - 1)
    if kind == 1:
        return f"({text}) and ({other})", lambda i: holds(i) and too(i)
    return f"({text}) or ({other})", lambda i: holds(i) or too(i)


def test_filters_equal_a_plain_evaluation_of_10_000_random_expressions():
    rng = random.Random(7)
    selected = 0
    for number in range(EXPRESSIONS):
        if number % 1000 == 0:
            items = drawn_items(rng)
            facts = stored(items)
        text, holds = expression(rng, 2)
        expected = [place for place, item in enumerate(items) if holds(item)]
        assert facts.matching(parsed(text)).tolist() == expected, text
        selected += len(expected)
    assert 0.2 < selected / (EXPRESSIONS * ITEMS) < 0.8  # the expressions say something


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("stars < 3 and album == 'x' or stars > 4", "(stars < 3 and album == 'x') or stars > 4"),
        ("not stars < 3 and album == 'x'", "(not stars < 3) and album == 'x'"),
        ("1 <= stars < 4", "stars >= 1 and stars < 4"),
        ("album in ('x', 'y')", "album == 'x' or album == 'y'"),
        ("taken == 2020-01", "taken == '2020-01'"),
        ("near(lat, lon, 1, 2, 1000 m)", "near(lat,lon,1,2,1km)"),
    ],
)
def test_operators_bind_as_in_python(text, same):
    assert parsed(text) == parsed(same)


def test_conditions_are_objects_too():
    combined = (Compare("stars", ">=", 4) | Has("tags", "beach")) & ~Missing("lat") & Near("lat", "lon", (1.0, 2.0), 3.0)
    assert combined == parsed("(stars >= 4 or 'beach' in tags) and not missing(lat) and near(lat, lon, 1, 2, 3 km)")
    assert parsed(combined) is combined


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column or a value, found '' at character 1"),
        ("stars", "expected a comparison"),
        ("stars = 3", "expected == to compare, found '= 3' at character 7"),
        ("stars == 3 3", "expected 'and', 'or' or the end, found '3' at character 12"),
        ("stars == lat", "a comparison of two columns"),
        ("album == Norway", "a comparison of two columns; expected a column and a value (a text stands in quotes)"),
        ("3 == 4", "a comparison of two values"),
        ("(stars == 3", "expected ')'"),
        ("near(lat, lon, 1, 2, 3)", "near needs a unit, one of km, m, mi"),
        ("near(lat, lon, 1, 2, 3 ly)", "near needs a unit"),
        ("stars == 3 ; drop", "this character starts nothing that is known, found '; drop' at character 12"),
        ("album == 'open", "this character starts nothing"),
        ("3 in tags", "expected a text in quotes before 'in'"),
        ("album in (Norway)", "expected a value; a text stands in quotes"),
        ("and == 3", "expected the name of a column"),
        ("(" * 200, "nested deeper than 100"),
        ("not " * 200 + "stars == 1", "nested deeper than 100"),
        ("x" * 200_000, "where has 200000 characters"),
        ("__import__('os').system('true') == 1", "this character starts nothing"),
    ],
)
def test_what_is_not_a_filter_is_refused_with_its_place(text, message):
    with pytest.raises(InvalidArgumentError) as error:
        parsed(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour == 'red'", "there is no column 'colour'; known: album (text), lat (number)"),
        ("stars == 'x'", "'stars' has numbers, but is compared with 'x'; expected a number"),
        ("album >= 3", "'album' has texts, but is compared with 3.0; expected a text in quotes"),
        (
            "taken > 2020",
            "'taken' has times, but is compared with 2020.0; expected a date such as 2024-05-31, a year in quotes, or year(…)",
        ),
        ("taken > '2020-13'", "'taken' has times: '2020-13' is no date"),
        ("taken > 'soon'", "'taken' has times: 'soon' is no date such as 2024"),
        ("tags == 'x'", "'tags' has tags, which do not compare; ask 'a tag' in tags"),
        ("'x' in stars", "'stars' has numbers, but 'in' asks for tags or a part of a text"),
        ("year(stars) == 3", "year(stars): 'stars' has number, expected times"),
        ("near(album, lon, 1, 2, 3 km)", "near: 'album' has text, expected a column of numbers"),
        ("near(lat, lon, 91, 2, 3 km)", "expected a latitude from -90 to 90"),
    ],
)
def test_a_filter_that_does_not_fit_the_facts_is_refused(text, message):
    facts = stored(drawn_items(random.Random(1)))
    with pytest.raises(InvalidArgumentError) as error:
        facts.matching(parsed(text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_other_types_than_text_and_conditions_are_refused():
    for wrong in (3, None, ["stars == 1"], b"stars == 1"):
        with pytest.raises(ArgumentTypeError, match="where has to be a str or a condition"):
            parsed(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="unknown comparison"):
        stored(drawn_items(random.Random(1))).matching(Compare("stars", "~", 3))


def test_of_two_times_the_year_has_to_say_which():
    facts = SearchedFacts.of([AddedFacts({}, {"taken": "time", "printed": "time"}, range(3))])
    with pytest.raises(InvalidArgumentError, match=r"'year' of which time\? Write year\(taken\)"):
        facts.matching(parsed("year == 2020"))
    assert facts.matching(parsed("not year(printed) == 2020")).tolist() == [0, 1, 2]


def test_counts_are_those_of_a_plain_count():
    items = drawn_items(random.Random(3))
    facts, ids = stored(items), np.arange(0, ITEMS, 2)
    chosen = [items[i] for i in ids]
    for name, values in {
        "album": [item.get("album") for item in chosen],
        "stars": [item.get("stars") for item in chosen],
        "year(taken)": [item["taken"].year if "taken" in item else None for item in chosen],
        "tags": [tag for item in chosen for tag in item.get("tags", [])],
    }.items():
        counts = facts.counts(name, ids)
        assert counts == {value: values.count(value) for value in values if value is not None}
        assert list(counts.values()) == sorted(counts.values(), reverse=True)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">="])
def test_numbers_of_every_width_compare_as_their_values(kind, sign):
    values = np.array([0, 1, 2, 5, 126, 127], kind)
    facts = SearchedFacts.of([Given({"n": facts_file.Numbers(values, None)})])
    for value in (
        -1e300,
        -129,
        -128,
        -1,
        -0.5,
        0,
        0.0,
        1,
        1.5,
        126.999,
        127,
        128,
        255,
        256,
        2**31,
        2**53,
        1e300,
        np.inf,
        -np.inf,
        np.float32(5),
    ):
        expected = OPERATORS[sign](values.astype(np.float64), float(value))
        assert facts.matching(Compare("n", sign, value)).tolist() == np.flatnonzero(expected).tolist(), value


def test_answers_of_filters_are_kept_within_limits(monkeypatch):
    monkeypatch.setattr("task.search.facts.MOST_KEPT", 3)
    facts = stored(drawn_items(random.Random(1)))
    first = facts.matching(parsed("stars >= 0"))
    assert facts.matching(parsed("stars  >=  0")) is first
    with pytest.raises(ValueError, match="read-only"):
        first[:1] = 7
    for number in range(1, 6):
        assert facts.matching(parsed(f"stars >= {number}")).tolist() == facts.matching(parsed(f"{number} <= stars")).tolist()
    assert facts.matching(parsed("stars >= 0")) is not first
    monkeypatch.setattr("task.search.facts.MOST_IDS_KEPT", 1)
    assert facts.matching(parsed("not missing(stars)")) is facts.matching(parsed("not missing(stars)"))


def test_the_last_moment_that_can_be_written_is_a_time():
    assert span("9999") == (seconds("9999-01-01")[0], seconds("9999-12-31T23:59:59")[0] + 1)
    assert span("9999-12-31T23:59:59")[1] - span("9999-12")[0] == 31 * 24 * 60 * 60


def test_equal_counts_come_by_value():
    facts = stored([{"stars": stars} for stars in (12, 2, -1, 12, 30)])
    assert list(facts.counts("stars", np.arange(5))) == [12, -1, 2, 30]


@pytest.mark.parametrize("kind", ["number", "time", "text", "tags"])
def test_columns_come_back_as_they_were_stored(kind):
    drawn = {
        "number": [0, -128, 127, 1.5, 70_000, 2**53, None, 1e300],
        "time": [0, -1, 2**40, None],
        "text": ["b", "", "ä", None, "b", "\n"],
        "tags": [["x"], [], ["a", "x"], ["ä"]],
    }[kind]
    for values in (drawn, [value for value in drawn if value is not None], []):
        column = facts_file.column_of(kind, values)
        listed, data = facts_file.encode({"c": column}, len(values))
        read = facts_file.Facts(listed, data, (0, len(data))).column("c")
        assert facts_file.values_of(read) == values
        some = np.array([i for i in (0, 2) if i < len(values)], np.int64)
        assert facts_file.values_of(read.take(some)) == [values[i] for i in some]
        assert facts_file.values_of(facts_file.joined([read, facts_file.absent(kind, 1), column])) == [
            *values,
            [] if kind == "tags" else None,
            *values,
        ]


def test_texts_of_items_that_are_gone_are_not_written():
    column = facts_file.texts(["secret", "open"]).take(np.array([1]))
    listed, data = facts_file.encode({"c": column}, 1)
    assert b"secret" not in data
    assert facts_file.values_of(facts_file.Facts(listed, data, (0, len(data))).column("c")) == ["open"]


def test_small_whole_numbers_take_a_byte_each():
    _, data = facts_file.encode({"stars": facts_file.numbers([i % 6 for i in range(1000)])}, 1000)
    assert len(data) == 1000


def test_damaged_facts_are_refused():
    columns = {
        "t": facts_file.tags([["a"], ["b", "a"], []]),
        "n": facts_file.numbers([1, None, 3]),
        "s": facts_file.texts(["x", "y", None]),
    }
    listed, data = facts_file.encode(columns, 3)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        broken_list, broken = bytearray(listed), bytearray(data)
        target = broken_list if rng.random() < 0.5 else broken
        for _ in range(int(rng.integers(1, 4))):
            target[int(rng.integers(len(target)))] = int(rng.integers(256))
        try:
            facts = facts_file.Facts(bytes(broken_list), bytes(broken), (0, len(broken)))
            for name in facts.types:
                facts_file.values_of(facts.column(name))
        except facts_file.FactsError:
            pass
    with pytest.raises(facts_file.FactsError, match="facts.json is damaged"):
        facts_file.Facts(b"{}", b"", (0, 0))
    with pytest.raises(facts_file.FactsError, match=r"facts.json: the .* of 's' are not within their file"):
        facts_file.Facts(listed, data, (0, 4)).column("s")
    outside = data[:-1] + struct.pack("<B", 9)
    with pytest.raises(facts_file.FactsError, match="a value of 's' is not among its 3"):
        facts_file.Facts(listed, outside, (0, len(data))).column("s")


def test_a_condition_is_needed_for_its_operators():
    assert isinstance(Compare("a", "==", 1) & Compare("b", "==", 2), Condition)


def test_chains_of_thousands_of_conditions_are_answered():
    facts = stored(drawn_items(random.Random(2)))
    stars = [Compare("stars", "==", number) for number in range(5000)]
    either, both = stars[0], ~stars[1]
    for number in range(1, 5000):
        either |= stars[number]
        both = ~stars[number] & both
    assert facts.matching(parsed(either)).tolist() == facts.matching(parsed("stars >= 0")).tolist()
    assert facts.matching(parsed(~(either & both))).tolist() == facts.matching(parsed("not stars == 0")).tolist()
    assert facts.matching(parsed(~(both & either))).tolist() == facts.matching(parsed("not stars == 0")).tolist()
    deep = stars[0]
    for number in range(1, 5000):
        deep = ~(deep & stars[number])
    with pytest.raises(InvalidArgumentError, match="nested deeper than 200"):
        parsed(deep)
    with pytest.raises(InvalidArgumentError, match=r"expected '\)', found '\(year\("):
        parsed("year(" * 3000)


def test_odd_values_of_conditions_are_answered():
    facts = stored(drawn_items(random.Random(2)))
    known = facts.matching(parsed("not missing(stars)")).tolist()
    assert facts.matching(Compare("stars", "<", 10**400)).tolist() == known
    assert facts.matching(Compare("stars", ">", -(10**400))).tolist() == known
    place = [1.0, 2.0]
    near = Near("lat", "lon", place, 4000.0)  # type: ignore[arg-type]
    assert facts.matching(near).tolist() == facts.matching(Near("lat", "lon", (1.0, 2.0), 4000.0)).tolist() != []
    place[0] = 80.0
    assert facts.matching(near).tolist() == facts.matching(Near("lat", "lon", (80.0, 2.0), 4000.0)).tolist()
