"""Queries whose answers are written down: their file, their figures, and what is refused."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXTS

from maker.cli import main
from maker.data.query_file import read_query_file
from maker.errors import DataError
from maker.evaluation.given_queries import evaluate_queries
from maker.pipeline import index_embeddings
from maker.report.facts import FactsRow, example_filter, facts_rows
from task.format import facts
from task.search.facts import SearchedFacts
from task.text import Query, TextSearcher

NAMES = [f"images/{i}.png" for i in range(300)]


@pytest.fixture(scope="module")
def file(tmp_path_factory, encoder, embeddings) -> Path:
    folder = tmp_path_factory.mktemp("given")
    rows = "".join(f"{name},{i % 6},{'lighthouse' if i == 250 else ''}\n" for i, name in enumerate(NAMES))
    (folder / "facts.csv").write_text(f"item,stars,note\n{rows}", encoding="utf-8")
    metadata = [name.encode() for name in NAMES]
    index_embeddings(embeddings, metadata, folder / "s.tflite", embedder=encoder, facts=folder / "facts.csv", lexical=True)
    return folder / "s.tflite"


def names_of(result) -> list[str]:
    return [neighbor.metadata.decode() for neighbor in result.nearest_neighbors]


def test_queries_are_the_same_from_every_kind_of_file(tmp_path):
    rows = [
        {"query": "a boat -sea", "where": "stars > 3", "relevant": ["a|b.png", "c.png"]},
        {"query": "a cat", "relevant": ["a.png"]},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    first, second = read_query_file(tmp_path / "q.jsonl")
    assert (first.relevant, first.where, first.excludes) == (["a|b.png", "c.png"], "stars > 3", True)
    assert (second.text, second.where, second.excludes) == ("a cat", "", False)
    (tmp_path / "q.tsv").write_text("query\trelevant\twhere\na boat -sea\td.png | c.png\tstars > 3\na cat\ta.png\t\n", encoding="utf-8")
    assert [(q.text, q.where, q.relevant) for q in read_query_file(tmp_path / "q.tsv")] == [
        ("a boat -sea", "stars > 3", ["d.png", "c.png"]),
        ("a cat", "", ["a.png"]),
    ]


def test_a_relevant_item_is_named_in_any_unicode_normal_form(tmp_path, encoder, embeddings):
    items = [unicodedata.normalize(form, f"ä {form}.png") for form in ("NFC", "NFD")]
    index_embeddings(embeddings[:2], [item.encode() for item in items], tmp_path / "s.tflite", embedder=encoder)
    for form in ("NFC", "NFD"):
        rows = "".join(f"{TEXTS[0]},{unicodedata.normalize(form, item)}\n" for item in items)
        (tmp_path / "q.csv").write_text(f"query,relevant\n{rows}", encoding="utf-8")
        figures = evaluate_queries(tmp_path / "s.tflite", tmp_path / "q.csv")
        assert (figures["left_out"], figures["absent"], figures["groups"]["all"]["queries"]) == (0, 0, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,relevant\na,b\n", "line 1: no column 'query'; found text, relevant"),
        ("query,relevant\n", "no rows; expected the columns query, relevant"),
        ("query,relevant,note\na,b,c\n", "found the column 'note', expected query, relevant and, if there are filters, where"),
        ("query,relevant\n,b\n", "line 2: 'query' is empty"),
        ("query,relevant\na,\n", "line 2: 'relevant' is '[]', expected the metadata of at least one item"),
        ("query,relevant\na,|\n", "line 2: 'relevant' is '|', expected"),
        ("query\na\n", "line 2: 'relevant' is '[]', expected"),
        ("query,relevant\n-a,b\n", "line 2: '-a' says only what to exclude"),
        ("query,relevant,where\na,b,stars\n", "line 2: where: expected a comparison"),
        ("query,relevant\na,b,c\n", "line 2 has 3 cells, expected 2"),
    ],
)
def test_a_file_of_queries_that_cannot_be_used_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "q.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_query_file(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_no_item_can_have_is_refused(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"query": "a", "relevant": ["\ud800"]}), encoding="utf-8")
    with pytest.raises(DataError, match=r"q.jsonl: line 1: 'relevant' has '\\ud800', whose half surrogate pair no item can have"):
        read_query_file(path)


def test_figures_are_those_of_the_searchers_results(file, tmp_path, capsys):
    with TextSearcher.create_from_file(str(file)) as searcher:
        plain = names_of(searcher.search(TEXTS[0]))
        filtered = names_of(searcher.search(TEXTS[1], where="stars == 2"))
        excluding = names_of(searcher.search(Query.parse(f"{TEXTS[0]} -boat")))
        outside = names_of(searcher.search(TEXTS[1], where="stars == 3"))[0]
    rows = [
        {"query": TEXTS[0], "relevant": [plain[0]]},
        {"query": TEXTS[1], "relevant": [filtered[2], "gone.png"], "where": "stars == 2"},
        {"query": f"{TEXTS[0]} -boat", "relevant": [excluding[1], excluding[4]]},
        {"query": TEXTS[1], "relevant": [outside], "where": "stars == 2"},
        {"query": TEXTS[1], "relevant": ["none.png"]},
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    figures = evaluate_queries(file, path)
    assert {name: figures[name] for name in ("items", "left_out", "absent", "filtered_out")} == {
        "items": 300,
        "left_out": 1,
        "absent": 2,
        "filtered_out": 1,
    }
    groups = figures["groups"]
    assert {name: group["queries"] for name, group in groups.items()} == {
        "all": 4,
        "with neither": 1,
        "with a filter": 2,
        "with an exclusion": 1,
    }
    assert [groups["all"][name] for name in ("R@1", "R@5", "R@10")] == [25, 75, 75]
    assert groups["all"]["MRR@10"] == pytest.approx((1 + 1 / 3 + 1 / 2 + 0) / 4, abs=1e-3)
    assert groups["with a filter"]["R@5"] == 50
    # Each has one relevant item that its filter leaves, but the third, which has two: its first two results count.
    assert groups["all"]["P@5"] == pytest.approx(100 * (1 + 0 + 1 / 2 + 0) / 4)
    assert main(["evaluate", str(file), "--queries", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "4 queries, 300 items, 1 queries left out" in printed
    assert "with an exclusion (1)" in printed
    assert "Warning: 1 relevant items do not meet the filter of their own query" in printed
    assert main(["evaluate", str(file), "--queries", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"]["all"]["queries"] == 4


def test_words_are_looked_up_if_asked_for(file, tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("query,relevant\nlighthouse,images/250.png\n", encoding="utf-8")
    assert evaluate_queries(file, path)["groups"]["all"]["R@1"] == 0
    assert evaluate_queries(file, path, "only")["groups"]["all"]["R@1"] == 100


def test_what_does_not_fit_the_searcher_is_refused(file, searcher_file, tmp_path, capsys):
    path = tmp_path / "q.csv"
    path.write_text("query,relevant,where\na boat,images/2.png,colour == 'red'\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"q.csv: line 2: there is no column 'colour'; known: folder"):
        evaluate_queries(file, path)
    path.write_text("query,relevant\na boat,x.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"none of 1 queries has a relevant item in .*; the first is 'x.png'"):
        evaluate_queries(file, path)
    for options, problem in (
        (["--queries", str(path), "--captions", "c.tsv"], "found --queries and --captions"),
        (["--captions", "c.tsv"], "takes --images and --captions, or --queries"),
        (["--images", "i", "--captions", "c.tsv", "--lexical", "auto"], "--lexical goes with --queries"),
    ):
        assert main(["evaluate", str(file), *options]) == 2
        assert problem in capsys.readouterr().err


def test_the_report_shows_facts_and_the_figures_of_queries(file, searcher_file, tmp_path):
    path, output = tmp_path / "q.csv", tmp_path / "r.html"
    path.write_text("query,relevant,where\na boat,images/3.png,stars == 3\na boat,images/2.png,\n", encoding="utf-8")
    assert main(["report", str(file), "--queries", str(path), "-o", str(output)]) == 0
    page = output.read_text(encoding="utf-8")
    assert "<code>stars &gt;= 0</code>" in page
    for row in (
        '<th scope="row">stars</th><td>number</td><td class="n">100 %</td><td>0 to 5</td>',
        '<th scope="row">note</th><td>text</td><td class="n">0.3 %</td><td>lighthouse (1)</td>',
        '<th scope="row">name</th><td>text</td><td class="n">100 %</td><td>300 different</td>',
        '<th scope="row">folder</th><td>text</td><td class="n">100 %</td><td>images (300)</td>',
        '<th scope="row">with a filter</th><td class="n">1</td>',
    ):
        assert row in page
    assert main(["report", str(searcher_file), "-o", str(output), "--overwrite"]) == 0
    assert "Facts and filters" not in output.read_text(encoding="utf-8")


def test_facts_of_the_report_are_in_words():
    columns = {
        "taken": facts.numbers([0, 86_400 * 400, None], time=True),
        "my tags": facts.tags([["a"], ["a", "b"], []]),
        "none": facts.numbers([None, None, None]),
        "letters": facts.texts(["x"] * 3),
    }
    listed, data = facts.encode(columns, 3)
    stored = facts.Facts(listed, data, (0, len(data)))

    class Part:
        items, types = 3, stored.types

        def read(self, name):
            return stored.column(name)

    rows = {row.name: (row.type, row.known, row.values) for row in facts_rows(SearchedFacts.of([Part()]), np.arange(3))}
    assert rows["taken"] == ("time", "67 %", "1970-01-01 to 1971-02-05")
    assert rows["my tags"] == ("tags", "67 %", "a (2), b (1)")
    assert rows["none"] == ("number", "0 %", "")
    assert rows["letters"] == ("text", "100 %", "x (3)")
    assert example_filter([FactsRow("my tags", "tags", "", "a")]) == "missing(`my tags`)"
    assert example_filter([FactsRow("taken", "time", "", "1970-01-01 to 1971-02-05")]) == "year(taken) == 1970"
