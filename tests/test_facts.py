"""Facts of items: from files and photos into searchers, in overlays and shards, and what is refused."""

from __future__ import annotations

import json
import unicodedata
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXTS
from PIL import Image

from maker.cli import main
from maker.data.facts_file import item_facts, read_facts
from maker.data.photo_facts import path_facts, photo_facts, read_exif
from maker.errors import DataError
from maker.pipeline import index_embeddings
from task.errors import DamagedFileError, InvalidArgumentError
from task.format import facts as facts_file
from task.search.where import Missing
from task.text import Query, TextSearcher

ROWS = [
    {"item": "images/0.png", "stars": 5, "album": "Norway", "taken": "2024-05-31T14:30:00", "tags": ["beach", "sea"]},
    {"item": "images/1.png", "stars": 3, "album": "Spain", "taken": "2024-06-01", "tags": []},
    {"item": "images/2.png", "album": "Norway", "taken": None, "tags": ["sea"]},
]
METADATA = [b"images/0.png", b"images/1.png", b"images/2.png", b"images/3.png"]


def as_csv(path: Path) -> Path:
    path.write_text(
        "item,stars,album,taken,tags:tags\n"
        "images/0.png,5,Norway,2024-05-31T14:30:00,beach|sea\nimages/1.png,3,Spain,2024-06-01,\nimages/2.png,,Norway,,sea\n",
        encoding="utf-8",
    )
    return path


def as_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def as_parquet(path: Path) -> Path:
    import pyarrow
    import pyarrow.parquet

    rows = [{**row, "taken": row["taken"] and datetime.fromisoformat(str(row["taken"]))} for row in ROWS]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_parquet])
def test_facts_are_the_same_from_every_kind_of_file(tmp_path, write):
    suffix = {as_csv: "csv", as_jsonl: "jsonl", as_parquet: "parquet"}[write]
    table = read_facts(write(tmp_path / f"facts.{suffix}"))
    assert table.types == {"stars": "number", "album": "text", "taken": "time", "tags": "tags"}
    columns, summary = item_facts(table, METADATA)
    values = {name: facts_file.values_of(column) for name, column in columns.items()}
    assert values["stars"] == [5, 3, None, None]
    assert values["album"] == ["Norway", "Spain", "Norway", None]
    assert values["tags"] == [["beach", "sea"], [], ["sea"], []]
    assert values["taken"] == [int(datetime(2024, 5, 31, 14, 30).timestamp() - datetime(1970, 1, 1).timestamp()), 1717200000, None, None]
    assert summary == f"4 columns from facts.{suffix}; 1 of 4 items have no row, first 'images/3.png'"


def test_rows_that_name_no_item_are_counted(tmp_path):
    table = read_facts(as_csv(tmp_path / "facts.csv"))
    assert "2 rows name no item, first 'images/1.png'" in item_facts(table, METADATA[:1])[1]
    with pytest.raises(DataError, match=r"no row names an item; 'item' is 'images/0.png', but the metadata of an item are 'x'"):
        item_facts(table, [b"x"])


def test_a_row_names_an_item_by_the_image_in_its_metadata(tmp_path):
    columns, _ = item_facts(read_facts(as_csv(tmp_path / "f.csv")), [b'{"image": "images/1.png"}'])
    assert facts_file.values_of(columns["stars"]) == [3]


def test_a_row_names_an_item_in_any_unicode_normal_form(tmp_path):
    for stored, typed in (("NFD", "NFC"), ("NFC", "NFD")):
        item, named = (unicodedata.normalize(form, "Straße/Größe ä.jpg") for form in (stored, typed))
        (tmp_path / "f.csv").write_text(f"item,stars\n{named},3\n", encoding="utf-8")
        columns, summary = item_facts(read_facts(tmp_path / "f.csv"), [item.encode()])
        assert facts_file.values_of(columns["stars"]) == [3]
        assert "no row" not in summary
        assert facts_file.values_of(path_facts([item])["name"]) == ["Gr\u00f6\u00dfe \u00e4.jpg"]


MANY = ",".join(f"c{i}" for i in range(10_000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column 'item'; found nothing"),
        ("name,stars\na,1\n", "line 1: no column 'item'; found name, stars"),
        ("item,stars\n", "no rows; expected a column 'item' and one row per item"),
        ("item,stars\na,1\na,2\n", "line 2 and line 3 both name 'a'; expected one row per item"),
        ("item,stars\n,1\n", "line 2: 'item' is '', expected the metadata of an item"),
        ("item,stars\na,1,2\n", "line 2 has 3 cells, expected 2"),
        ("item,stars\na\n", "line 2 has 1 cells, expected 2"),
        ("item,a,a\nx,1,2\n", "line 1: two columns are named 'a'"),
        ("item,a,a:text\nx,1,2\n", "two columns are named 'a'"),
        ("item,stars\na,1\nb,x\n", "column 'stars' has a number (line 2: '1') and a text (line 3: 'x'); name it stars:text"),
        ("item,taken\na,2024-05-01\nb,NaN\n", "column 'taken' has a time (line 2: '2024-05-01') and a number (line 3: 'NaN')"),
        ("item,taken\na,2024-05-01\nb,2024-02-30\n", "(line 3: '2024-02-30'); '2024-02-30' is no date: "),
        ("item,taken\na,2024-05-01\nb,31.05.2024\n", "(line 3: '31.05.2024'); '31.05.2024' is no date such as 2024, "),
        ("item,taken:time\na,2024-05-01\nb,NaN\n", "line 3: 'taken' is 'NaN', expected a date or time ("),
        ("item,taken:time\na,2024-02-30\n", "line 2: 'taken' is '2024-02-30', expected a date or time ("),
        ("item,taken\na,2024-05-01T10:00\nb,2024-05-01T10:00Z\n", "'taken' has times with a zone (line 3) and without (line 2)"),
        ("item,stars\na,nan\n", "line 2: 'stars' is 'nan', expected a number (it is not finite)"),
        ("item,stars:number\na,x\n", "line 2: 'stars' is 'x', expected a number"),
        ("item,n\na,12345678901234567890\n", "it is too large to be exact; store it as a text"),
        ("item,note\na," + "x" * 20_000 + "\n", "line 2: 'note' has 20000 characters, expected at most 10000"),
        ("item,note\na," + "x" * 1_000_000 + "\n", "line 2: 'note' has 1000000 characters, expected at most 10000"),
        (f"item,{MANY}\na{',1' * 10_000}\n", "found 10000 columns of facts, expected at most 200"),
        ('item,note\na,"open\n', "unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "facts.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_facts(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "line 1 is list, expected an object with the key 'item'"),
        ("{", "line 1 is not JSON"),
        ('{"item": 3}', "line 1: 'item' is '3', expected the metadata of an item"),
        ('{"item": "a", "n": NaN}', "line 1: 'n' is 'nan', expected a number (it is not finite)"),
        ('{"item": "a", "t": ["x", 3]}', "expected several str (it is int)"),
        ('{"item": "a", "t": {"x": 3}}', "expected several str (it is dict)"),
        ('{"item": "a", "n": 1' + "0" * 400 + "}", "expected a number ("),
        ('{"item": "a", "n": 1, "n": 2}', "line 1 is not JSON (the key 'n' is there twice)"),
        ('{"item": "a"}\n{"item": "b"}\n{"item": "a"}', "line 1 and line 3 both name 'a'"),
        (
            '{"item": "a", "t": "2024-05-01"}\n{"item": "b", "t": NaN}',
            "column 't' has a time (line 1: '2024-05-01') and a number (line 2: 'nan')",
        ),
        ('{"item": "a", "t": "' + "x" * 1_000_000 + '"}', "line 1: 't' has 1000000 characters, expected at most 10000"),
        (json.dumps({"item": "a", **{f"c{i}": i for i in range(10_000)}}), "found 10000 columns of facts, expected at most 200"),
    ],
)
def test_json_lines_that_cannot_be_used_are_refused_in_one_line(tmp_path, line, message):
    path = tmp_path / "facts.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_facts(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_an_index_of_images_takes_name_and_folder_beside_the_facts_file(encoder, embeddings, tmp_path, capsys):
    np.save(tmp_path / "e.npy", embeddings[:4])
    (tmp_path / "items.txt").write_text("2024/a.png\n2024/b.png\nc.png\nd.png\n", encoding="utf-8")
    (tmp_path / "facts.csv").write_text("item,stars\n2024/a.png,5\nc.png,3\n", encoding="utf-8")
    options = ["--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "items.txt"), "--facts", str(tmp_path / "facts.csv")]
    assert main(["index", *options, "--embedder", str(encoder), "--output", str(tmp_path / "s.tflite")]) == 0
    printed = capsys.readouterr().out
    assert "name and folder" in printed
    assert "2 of 4 items have no row, first '2024/b.png'" in printed
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as searcher:
        assert sorted(found(searcher.search(TEXTS[0], where="folder == '2024' or name == 'd.png'"))) == [0, 1, 3]
        assert searcher.facets(["stars", "folder"]) == {"stars": {3: 1, 5: 1}, "folder": {"": 2, "2024": 2}}


def test_a_facts_file_that_is_absent_or_damaged_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such facts file"):
        read_facts(tmp_path / "none.csv")
    (tmp_path / "f.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_facts(tmp_path / "f.parquet")


def photo(path: Path, exif: Image.Exif | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, exif=exif or Image.Exif())


def exif_of(date: str | None = None, place: tuple | None = None) -> Image.Exif:
    exif = Image.Exif()
    if date is not None:
        exif[0x8769] = {0x9003: date}
    if place is not None:
        north, latitude, east, longitude = place
        exif[0x8825] = {1: north, 2: latitude, 3: east, 4: longitude}
    return exif


def test_photos_say_their_name_folder_date_and_place(tmp_path):
    photo(tmp_path / "2024" / "a.jpg", exif_of("2024:05:31 14:30:00", ("N", (59.0, 30.0, 36.0), "W", (10.0, 0.0, 0.0))))
    photo(tmp_path / "b.jpg")
    columns = photo_facts(tmp_path, ["2024/a.jpg", "b.jpg"], exif=True)
    values = {name: facts_file.values_of(column) for name, column in columns.items()}
    assert values == {
        "name": ["a.jpg", "b.jpg"],
        "folder": ["2024", ""],
        "taken": [1717165800, None],
        "lat": [59.51, None],
        "lon": [-10.0, None],
    }
    assert set(photo_facts(tmp_path, ["2024/a.jpg"], exif=False)) == {"name", "folder"}


@pytest.mark.parametrize(
    ("date", "place"),
    [
        ("0000:00:00 00:00:00", ("X", (1.0, 0.0, 0.0), "E", (1.0, 0.0, 0.0))),
        ("soon", ("N", (91.0, 0.0, 0.0), "E", (1.0, 0.0, 0.0))),
        ("2024:13:01 00:00:00", ("N", (1.0,), "E", (1.0, 0.0, 0.0))),
        ("    :  :     :  :  ", None),
    ],
)
def test_odd_exif_says_nothing(tmp_path, date, place):
    photo(tmp_path / "a.jpg", exif_of(date, place))
    assert read_exif(tmp_path / "a.jpg") == (None, None)
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:60])
    assert read_exif(tmp_path / "broken.jpg") == (None, None)


@pytest.fixture(scope="module")
def file(tmp_path_factory, encoder, embeddings) -> Path:
    """A searcher of 300 items; facts are known of all but every tenth."""
    folder = tmp_path_factory.mktemp("facts")
    rows = [
        {
            "item": f"images/{i}.png",
            "stars": i % 6,
            "album": ["Norway", "Spain"][i % 2],
            "taken": f"20{20 + i % 5}-06-01",
            "tags": [f"t{i % 3}"],
        }
        for i in range(len(embeddings))
        if i % 10
    ]
    (folder / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    metadata = [f"images/{i}.png".encode() for i in range(len(embeddings))]
    report = index_embeddings(embeddings, metadata, folder / "s.tflite", embedder=encoder, facts=folder / "facts.jsonl")
    assert any("facts" in line and "30 of 300 items have no row" in line for line in report.lines)
    return folder / "s.tflite"


def found(result) -> list[int]:
    return [neighbor.id for neighbor in result.nearest_neighbors]


WHERE = "stars >= 3 and album == 'Norway' and 't1' in tags and year > 2021"


def meets(i: int) -> bool:
    return bool(i % 10) and i % 6 >= 3 and i % 2 == 0 and i % 3 == 1 and 20 + i % 5 > 21


def test_a_search_finds_the_nearest_of_those_that_meet_the_filter(file, embeddings):
    expected = [i for i in range(300) if meets(i)]
    assert len(expected) > 5
    with TextSearcher.create_from_file(str(file)) as searcher:
        ranked = sorted(expected, key=lambda i: -(embeddings[i] @ embeddings[4]))[:5]
        assert found(searcher.search_embedding(embeddings[4], where=WHERE)) == ranked
        allowed = expected[::2]
        both = searcher.search(TEXTS[0], where=WHERE, allowed=allowed)
        assert both == searcher.search(TEXTS[0], allowed=allowed)
        assert found(searcher.search(TEXTS[0], where="stars > 5")) == []
        assert searcher.search_batch([TEXTS[0]], where=WHERE) == [searcher.search(TEXTS[0], where=WHERE)]
        query = Query(TEXTS[0]) - TEXTS[1]
        assert searcher.search(query, where=WHERE) == searcher.search(query, allowed=expected)
        with pytest.raises(InvalidArgumentError, match="exclude each other"):
            searcher.search(TEXTS[0], where=WHERE, num_leaves_to_search=3)
        with pytest.raises(InvalidArgumentError, match="there is no column 'colour'; known: album"):
            searcher.search(TEXTS[0], where="colour == 'red'")


def test_a_filter_that_is_asked_again_knows_what_changed_meanwhile(file, embeddings):
    with TextSearcher.create_from_file(str(file)) as searcher:
        first = searcher.search_embedding(embeddings[4], where=WHERE)
        assert searcher.search_embedding(embeddings[4], where=WHERE) == first
        assert found(searcher.search_embedding(embeddings[9], where=WHERE)) == found(
            searcher.search_embedding(embeddings[9], allowed=[i for i in range(300) if meets(i)])
        )
        searcher.remove(first.nearest_neighbors[0].id)
        assert found(searcher.search_embedding(embeddings[4], where=WHERE))[:4] == found(first)[1:]
        new = searcher.add(embeddings[4], "new", facts={"stars": 4, "album": "Norway", "tags": ["t1"], "taken": "2023"})
        assert found(searcher.search_embedding(embeddings[4], where=WHERE))[0] == new
        searcher.remove(new)
        assert found(searcher.search_embedding(embeddings[4], where=WHERE))[:4] == found(first)[1:]


def test_facets_count_the_items_that_are_left(file):
    with TextSearcher.create_from_file(str(file)) as searcher:
        counts = searcher.facets()
        assert counts["album"] == {"Norway": 120, "Spain": 150}
        assert set(counts) == {"album", "folder", "tags", "year(taken)"}
        expected = [i for i in range(300) if meets(i)]
        years = searcher.facets("year", where=WHERE)["year"]
        assert years == {y: n for y in range(2022, 2025) if (n := sum(2020 + i % 5 == y for i in expected))}
        searcher.remove(expected[0])
        assert sum(searcher.facets("year", where=WHERE)["year"].values()) == len(expected) - 1
        near = found(searcher.search(TEXTS[0]))
        assert sum(searcher.facets("stars", allowed=near)["stars"].values()) == sum(i % 10 != 0 for i in near)
        assert searcher.facets(allowed=searcher.search(TEXTS[0])) == searcher.facets(allowed=near)
        with pytest.raises(InvalidArgumentError, match=r"'taken' has times; count year\(taken\)"):
            searcher.facets("taken")


def test_added_items_have_facts_which_stay_in_overlay_and_update(file, embeddings, tmp_path):
    overlay, updated = tmp_path / "o", tmp_path / "updated.tflite"
    with TextSearcher.create_from_file(str(file)) as searcher:
        new = searcher.add(embeddings[4], "new", facts={"stars": 9, "taken": date(2030, 1, 2), "tags": {"t9"}, "camera": "X100"})
        gone = searcher.add(embeddings[5], "gone", facts={"stars": 9, "camera": "secret"})
        bare = searcher.add(embeddings[6], "bare")
        assert sorted(found(searcher.search(TEXTS[0], where="stars == 9"))) == [new, gone]
        searcher.remove(gone)
        searcher.remove(4)
        assert found(searcher.search(TEXTS[0], where="stars == 9")) == [new]
        assert bare in searcher.engine.facts.matching(Missing("album"))
        searcher.save_overlay(str(overlay))
    assert b"secret" not in overlay.read_bytes()
    with TextSearcher.create_from_file(str(file), overlay=str(overlay)) as again:
        assert found(again.search(TEXTS[0], where="camera == 'X100' and year == 2030 and 't9' in tags")) == [new]
        expected = [again.get_metadata(i) for i in found(again.search(TEXTS[0], where=WHERE))]
    assert main(["index", "--update", str(file), "--overlay", str(overlay), "--output", str(updated)]) == 0
    with TextSearcher.create_from_file(str(updated)) as joined:
        assert [
            n.metadata for n in joined.search(TEXTS[0], where="camera == 'X100' and year == 2030 and 't9' in tags").nearest_neighbors
        ] == [b"new"]
        assert [n.metadata for n in joined.search(TEXTS[0], where=WHERE).nearest_neighbors] == expected
        assert joined.facets("stars")["stars"][9] == 1


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"stars": "many"}, "facts: 'stars' is 'many', expected a number"),
        ({"stars": float("nan")}, "it is not finite"),
        ({"album": 3}, "facts: 'album' is '3', expected a str"),
        ({"taken": "soon"}, "facts: 'taken' is 'soon', expected a date or time"),
        ({"tags": "t1"}, "facts: 'tags' is 't1', expected several str"),
        ({3: "x"}, "the name of a column has to be a str, found 3"),
        ([("stars", 3)], "facts have to be a dict of values by column, found list"),
    ],
)
def test_facts_of_another_type_are_refused_and_nothing_is_added(file, embeddings, facts, message):
    with TextSearcher.create_from_file(str(file)) as searcher:
        with pytest.raises(InvalidArgumentError, match=message):
            searcher.add(embeddings[0], "new", facts=facts)
        assert searcher.items == 300


def test_files_searched_as_one_are_filtered_as_one(file, searcher_file):
    with TextSearcher.create_from_files([str(searcher_file), str(file)]) as both, TextSearcher.create_from_file(str(file)) as alone:
        assert found(both.search(TEXTS[0], where=WHERE)) == [i + 300 for i in found(alone.search(TEXTS[0], where=WHERE))]
        assert both.facets("album") == alone.facets("album")


def test_a_file_without_facts_says_so(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        assert searcher.facets() == {}
        with pytest.raises(InvalidArgumentError, match="known: none, the file has no facts"):
            searcher.search(TEXTS[0], where="stars > 3")


def test_facts_of_other_items_are_refused(file, tmp_path):
    content = file.read_bytes()
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(content.replace(b'{"items": 300,', b'{"items": 301,'))
    with pytest.raises(DamagedFileError, match=r"facts.json has 301 items, the manifest 300"):
        TextSearcher.create_from_file(str(broken))
    assert main(["verify", str(broken)]) == 1


def test_maker_build_stores_what_photos_say_and_the_command_line_filters(encoder, tmp_path, capsys):
    for number in range(12):
        photo(tmp_path / "photos" / f"trip {number % 2}" / f"{number}.jpg", exif_of(f"20{10 + number}:01:01 00:00:00"))
    (tmp_path / "facts.csv").write_text("item,stars\n" + "".join(f"trip {i % 2}/{i}.jpg,{i}\n" for i in range(12)), encoding="utf-8")
    output = tmp_path / "s.tflite"
    options = ["--images", str(tmp_path / "photos"), "--encoder", str(encoder), "--output", str(output), "--no-report"]
    assert main(["build", *options, "--facts", str(tmp_path / "facts.csv")]) == 0
    printed = capsys.readouterr().out
    assert "12 of 12 photos have a date, 0 a place; --no-exif leaves both out" in printed
    assert "1 columns from facts.csv" in printed
    assert main(["search", str(output), TEXTS[0], "--where", "folder == 'trip 1' and year >= 2017 and stars < 11", "--json"]) == 0
    names = {neighbor["metadata"] for neighbor in json.loads(capsys.readouterr().out)["neighbors"]}
    assert names == {"trip 1/7.jpg", "trip 1/9.jpg"}
    assert main(["inspect", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "facts\n  folder            text\n  name              text\n  stars             number\n  taken             time\n" in printed
    assert "scanned_dimensions      None" in printed
    assert main(["build", *options, "--overwrite", "--no-exif"]) == 0
    assert main(["search", str(output), TEXTS[0], "--where", "year >= 2017"]) == 1
    assert "there is no column 'year'; known: folder (text), name (text)" in capsys.readouterr().err


def test_one_million_items_take_few_bytes():
    items = 1_000_000
    stars = facts_file.Numbers(np.arange(items) % 6, None)
    taken = facts_file.Numbers(1_700_000_000 + np.arange(items), np.arange(items) % 2 == 0, time=True)
    albums = facts_file.Texts(facts_file.Words.of(["Norway", "Spain"]), np.arange(items) % 3)
    _, data = facts_file.encode({"stars": stars, "taken": taken, "album": albums}, items)
    assert len(data) < items * (1 + 4 + 1 / 8 + 1) + 100
