"""The shared queries: their answers are those of this Python and of plain evaluations. JavaScript and Kotlin read the same file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from task.search.where_parser import parsed
from task.text import TextSearcher
from tests.asked.cases import FILE, answers, refuses
from tests.asked.items import drawn_items, write_asked

CASES = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "asked.tflite"
    write_asked(path)
    return path


@pytest.fixture(scope="module")
def found(file):
    return json.loads(json.dumps(answers(file, drawn_items())))


def test_filters_find_what_a_plain_evaluation_finds(file, found):
    with TextSearcher.create_from_file(str(file)) as searcher:
        for case in CASES["where"]:
            assert searcher.engine.facts.matching(parsed(case["where"])).tolist() == case["ids"], case["where"]
    assert found["where"] == CASES["where"]


def test_what_is_no_filter_is_refused(file):
    with TextSearcher.create_from_file(str(file)) as searcher:
        assert [case["where"] for case in CASES["refused"] if not refuses(searcher, case["where"])] == []


@pytest.mark.parametrize("kind", ["refused", "facets", "words", "lexical", "typed"])
def test_the_stored_answers_are_those_of_python(found, kind):
    assert found[kind] == CASES[kind]


def test_composed_queries_have_the_stored_results(found):
    for got, expected in zip(found["composed"], CASES["composed"], strict=True):
        assert got["ids"] == expected["ids"], expected["wanted"]
        assert got["distances"] == (expected["distances"] and pytest.approx(expected["distances"], abs=1e-4))


def test_facets_are_those_of_a_plain_count():
    items = [item for item in drawn_items() if (item["stars"] or 0) >= 2]
    (case,) = (case for case in CASES["facets"] if case["columns"] == ["album", "tags", "year"])
    for column, values in {
        "album": [item["album"] for item in items if item["album"] is not None],
        "tags": [tag for item in items for tag in item["tags"]],
        "year": [int(item["taken"][:4]) for item in items if item["taken"]],
    }.items():
        counts = sorted(((value, values.count(value)) for value in set(values)), key=lambda pair: (-pair[1], pair[0]))
        assert case["counts"][column] == [list(pair) for pair in counts]
