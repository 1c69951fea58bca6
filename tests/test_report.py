"""The report and the model card: whole, true, in one file, and readable in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, TEXTS
from PIL import Image

from maker.cli import main
from maker.data.captions import Caption
from maker.encoders.embedder import open_embedder
from maker.errors import BuildError, DataError
from maker.evaluation.inspection import describe, inspect
from maker.evaluation.item_splits import HELD_OUT, ChosenCaptions
from maker.evaluation.relevance import JudgedResults, measure
from maker.export.searcher_file import CARD, SearcherContent, write_searcher
from maker.export.verify import verify
from maker.index.build import build_index
from maker.index.options import ScaNNOptions, ScoreAH
from maker.pipeline.report import file_lines
from maker.report.card import CardFields, model_card, read_card
from maker.report.corpus_map import map_corpus
from maker.report.query_summary import summarise_queries
from maker.report.write import write_report
from task.core import BaseOptions
from task.errors import DamagedFileError
from task.search import GraphEngine

WEB = Path(__file__).parent / "web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ITEMS = 48
HISTORY = [
    {"epoch": e, "loss": 2.0 / e, "temperature": 0.05, "R@1": 9.0 + e, "R@5": 30.0 + e, "R@10": 50.0 - (e - 3) ** 2} for e in range(1, 6)
]
FIGURES = {"R@1": 19.0, "R@5": 45.5, "R@10": 58.6, "R@10_interval": [56.3, 61.0], "median_rank": 7.0, "MRR": 0.317}
RETRIEVAL = {
    **FIGURES,
    "queries": 96,
    "images": 48,
    "images_like_a_training_image": 2,
    "image_to_text": {"R@1": 25.0, "R@5": 50.0, "R@10": 64.0},
    "languages": {"en": FIGURES, "zh": {**FIGURES, "R@10": 42.7}},
    "how": "text to image among the images of the official validation split, exported towers, exact search",
}
TYPED = {
    "one_word": {"queries": 131, "P@5": 40.8, "P@5_interval": [36.1, 45.2], "P@10": 36.3, "P@10_interval": [32.0, 40.9], "answered": 97.1},
    "images": 48,
    "how": "the images of a split; a picture <b>fits</b> sometimes",
}
CURVE_POINTS = [{"share_scanned": s, "recall": 1 - 0.3 * (1 - s) ** 4, "p50_ms": 0.05 + s} for s in (0.01, 0.05, 0.2, 0.5, 1.0)]


def relevance():
    rng = np.random.default_rng(0)
    distances = np.sort(rng.uniform(-0.9, 0, (60, 10)), axis=1).astype(np.float32)
    judged = JudgedResults(distances, rng.random((60, 10)) < 1 / (1 + np.exp(8 * distances + 4)), distances[:, 3])
    curve = {"slope": 8.0, "intercept": 4.0, "gate": 0.789, "cut": 0.2, "rule": "a rule", "how": "some captions <b>were</b> asked"}
    return {"search_text": {**curve, "measured": measure(judged, 8.0, 4.0, 0.789, 0.2)}}


def content(encoder, embeddings, card=True):
    options = ScaNNOptions("dot_product", score_ah=ScoreAH(1))
    return SearcherContent(
        index=build_index(embeddings, options),
        metadata=[f"pictures/{i}.png".encode() for i in range(len(embeddings))],
        towers=open_embedder(encoder),
        encoders={"text": {"spec": "words", "vocabulary": 33}, "image": {"spec": "scratch"}},
        training={
            "options": {"seed": 7, "epochs": 5},
            "captions": 300,
            "images": 60,
            "split": "official",
            "vocabulary": 33,
            "history": HISTORY,
        },
        report={
            "retrieval": RETRIEVAL,
            "typed_queries": TYPED,
            "index": {"index_recall@10": 0.99, "queries": 10, "how": "held-out captions", "p50_ms": 0.1, "p99_ms": 0.2},
            "search_text": {"p50_ms": 0.3, "p99_ms": 0.5},
            "index_curve": CURVE_POINTS,
        },
        relevance=relevance(),
        example_texts=TEXTS[:3],
        card=(lambda manifest: model_card(manifest, CardFields(author="Ada | <i>Co</i>", license="CC BY 4.0"), "test")) if card else None,
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of pictures in all colours; one cannot be read."""
    folder = tmp_path_factory.mktemp("report-images")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(2)
    for number in range(ITEMS):
        ramp = np.linspace(0.4, 1, 40)[:, None, None] * rng.uniform(30, 255, 3)
        Image.fromarray(np.broadcast_to(ramp, (40, 56, 3)).astype(np.uint8)).save(folder / "pictures" / f"{number}.png")
    (folder / "pictures" / "5.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def embedded(encoder):
    """An embedding a picture: of the texts, with noise."""
    engine = GraphEngine.__mro__[1](BaseOptions(str(encoder)))
    rng = np.random.default_rng(4)
    base = np.stack([engine.embed_text(TEXTS[i % len(TEXTS)]) for i in range(ITEMS)])
    engine.close()
    values = base + 0.6 * rng.standard_normal((ITEMS, DIMENSION)).astype(np.float32) / np.sqrt(DIMENSION)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory, encoder, embedded):
    """A searcher with everything that a report can show."""
    path = tmp_path_factory.mktemp("report") / "my_photos.tflite"
    write_searcher(content(encoder, embedded), path)
    return path


@pytest.fixture(scope="module")
def captions():
    """Captions of every picture; one tries to be markup."""
    texts = [(TEXTS[i % len(TEXTS)], "zh" if i % len(TEXTS) == 2 else "en") for i in range(ITEMS)]
    found = [Caption(f"pictures/{i}.png", text, "val", language, i) for i, (text, language) in enumerate(texts)]
    found += [Caption(c.image, f"{c.text} and {'one more word ' * (i % 5)}", "val", c.language, i) for i, c in enumerate(found)]
    found.insert(0, Caption("pictures/3.png", "<script>alert(1)</script> & a kite", "val", "en", 99))
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory, searcher, pictures, captions):
    """The report of all that."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(searcher, path, images=pictures, captions=ChosenCaptions(captions, 0, HELD_OUT))
    return path


class Page(HTMLParser):
    """Headings, ids and what the page refers to."""

    def __init__(self, path):
        super().__init__()
        self.headings, self.ids, self.references, self.tags = [], [], [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.references += [given[name] for name in ("src", "href", "xlink:href", "srcset", "action") if given.get(name)]

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.headings.append(data.strip())


def test_a_report_has_every_section_that_the_file_can_fill(page):
    expected = ["Contents", "Retrieval", "Training, index and speed", "Relevance", "Map of the corpus", "Examples"]
    assert Page(page).headings == [*expected, "Worst failures", "Slices", "Golden queries", "Versions and seeds"]
    text = page.read_text()
    for figure in (
        "58.6 (56.3 to 61.0)",
        "text to image, zh",
        "42.7",
        "image to text",
        "if the first result has at least 0.789. This keeps 85 % of the relevant results and 31 % of the others.",
        "Of the queries with a relevant result, 88 % keep one.",
        "33 words",
        "all 7 return the recorded results",
        "training seed",
    ):
        assert figure in text, figure
    assert text.count("<figure>") == 5


def test_a_report_needs_nothing_but_itself(page):
    read = Page(page)
    assert all(reference.startswith(("data:image/webp;base64,", "#")) for reference in read.references)
    assert sum(reference.startswith("data:") for reference in read.references) > 50
    assert not {"link", "iframe", "object", "base"} & set(read.tags)
    styles = re.findall(r"<style.*?</style>", read.text, re.DOTALL)
    assert styles
    assert not [s for s in styles if "@import" in s or re.search(r"url\((?!#|data:)", s)]
    assert "fetch(" not in read.text
    assert len(read.ids) == len(set(read.ids))


def test_captions_are_text_and_no_markup(page):
    text = page.read_text()
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "some captions <b>" not in text


def test_charts_take_the_colours_of_the_page(page):
    svg = re.findall(r"<svg role=\"img\".*?</svg>", page.read_text(), re.DOTALL)
    assert len(svg) == 5
    for drawn in svg:
        assert "var(--grid)" in drawn
        assert not re.search(r"#00000[1-6]", drawn)


def test_the_failures_are_the_captions_whose_picture_has_the_worst_rank(searcher, captions):
    engine = GraphEngine(BaseOptions(str(searcher)))
    ids, rows = engine.contents()
    summary = summarise_queries(searcher, engine, rows, captions, [])
    queries = np.stack([engine.embed_text(c.text) for c in captions])
    engine.close()
    assert ids.tolist() == list(range(ITEMS))
    numbers = np.array([int(Path(c.image).stem) for c in captions])
    scores = queries @ rows.T
    ranks = (scores > scores[np.arange(len(captions)), numbers][:, None]).sum(1) + 1
    assert summary.failures[0].rank == ranks.max()
    assert len({f.image for f in summary.failures}) == len(summary.failures) == 12
    assert [f.rank for f in summary.failures] == sorted((f.rank for f in summary.failures), reverse=True)
    english = [s for s in summary.slices if (s["kind"], s["name"]) == ("language", "en")][0]
    chosen = np.array([c.language == "en" for c in captions])
    assert english["captions"] == chosen.sum()
    assert english["R@10"] == pytest.approx(100 * (ranks[chosen] <= 10).mean(), abs=2)  # ties count by half
    assert english["low"] <= english["R@10"] <= english["high"]
    assert sum(s["captions"] for s in summary.slices if s["kind"] == "different words") <= len(captions)
    assert len(summary.milliseconds) == len(captions)


def test_a_map_keeps_near_items_near():
    rng = np.random.default_rng(1)
    groups = np.repeat(rng.standard_normal((3, 24)) * 4, 40, axis=0)
    made = map_corpus((groups + 0.1 * rng.standard_normal(groups.shape)).astype(np.float32))
    assert made.explained > 0.95
    assert made.dots.min() >= 0
    assert made.dots.max() <= 1
    spread = np.array([made.dots[start : start + 40].std(axis=0).max() for start in (0, 40, 80)])
    assert (spread < 0.05).all()
    assert {item // 40 for item, _, _ in made.landmarks} == {0, 1, 2}


@pytest.mark.parametrize("rows", [np.ones((1, 4)), np.ones((5, 4)), np.eye(2)[:, :1]])
def test_a_map_of_almost_nothing_is_drawn(rows):
    made = map_corpus(rows.astype(np.float32))
    assert np.isfinite(made.dots).all()
    assert made.landmarks


def test_a_file_of_vectors_has_a_short_report(tmp_path, embeddings):
    np.save(tmp_path / "e.npy", embeddings)
    (tmp_path / "items.txt").write_text("".join(f"thing {i}\n" for i in range(len(embeddings))))
    searcher = tmp_path / "vectors.tflite"
    assert (
        main(["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "items.txt"), "--output", str(searcher)]) == 0
    )
    assert main(["report", str(searcher)]) == 0
    read = Page(tmp_path / "vectors.report.html")
    assert read.headings == [
        "Contents",
        "Retrieval",
        "Training, index and speed",
        "Map of the corpus",
        "Golden queries",
        "Versions and seeds",
    ]
    assert "thing " in read.text


def test_a_file_without_figures_has_a_report(tmp_path, searcher_file):
    write_report(searcher_file, tmp_path / "r.html")
    headings = Page(tmp_path / "r.html").headings
    assert headings == [
        "Contents",
        "Retrieval",
        "Training, index and speed",
        "Map of the corpus",
        "Examples",
        "Golden queries",
        "Versions and seeds",
    ]


def test_damage_is_told_in_the_report(tmp_path, searcher, monkeypatch):
    def broken(path):
        raise BuildError(f"{path}: golden query found something else: the file is damaged")

    monkeypatch.setattr("maker.export.golden.check_answers", broken)
    write_report(searcher, tmp_path / "r.html")
    assert "the file is damaged" in (tmp_path / "r.html").read_text()


def test_the_command_writes_a_report_from_files(tmp_path, searcher, pictures, captions, capsys):
    table = tmp_path / "captions.tsv"
    table.write_text(
        "image\tsplit\tcaption\n" + "".join(f"{c.image}\t{'val' if i % 2 else 'train'}\t{c.text}\n" for i, c in enumerate(captions))
    )
    command = ["report", str(searcher), "--images", str(pictures), "--captions", str(table), "-o", str(tmp_path / "r.html")]
    assert main(command) == 0
    assert "r.html: " in capsys.readouterr().out
    described = len({c.image for c in captions[1::2]})
    assert described < ITEMS
    assert f"among the {described} pictures that the captions describe" in (tmp_path / "r.html").read_text()
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(DataError, match="no such folder"):
        write_report(searcher, tmp_path / "other.html", images=tmp_path / "gone")


def test_the_card_is_in_the_file_and_does_not_change_between_builds(tmp_path, searcher, encoder, embedded, capsys):
    again = tmp_path / "my_photos.tflite"
    write_searcher(content(encoder, embedded), again)
    assert again.read_bytes() == searcher.read_bytes()
    engine = GraphEngine(BaseOptions(str(searcher)))
    assert CARD in engine.manifest.sha256
    engine.close()
    assert main(["inspect", "--card", str(searcher)]) == 0
    card = capsys.readouterr().out
    assert card == read_card(searcher)
    for line in (
        "# test",
        "CC BY 4.0",
        "_to be filled in_",
        "text to image, zh",
        "58.6 (56.3 to 61.0)",
        "2 of them are near-duplicates of a training picture",
        "hides results below 0.200, and all results if the first is below 0.789: 85 % of the relevant and 31 % of the other",
        "Of the queries with a relevant result, 88 % keep one.",
    ):
        assert line in card, line
    assert "ms" not in card.split()
    verify(searcher)


def test_a_curve_without_a_gate_is_told_without_one(tmp_path, encoder, embedded, pictures):
    """As older files have it."""
    made = content(encoder, embedded)
    curve = made.relevance["search_text"]
    for values, names in ((curve, ["gate"]), (curve["measured"]["at_cut"], ["gate", "queries_kept"])):
        for name in names:
            del values[name]
    path = tmp_path / "older.tflite"
    manifest = write_searcher(made, path)
    write_report(path, tmp_path / "older.html", images=pictures)
    text = (tmp_path / "older.html").read_text()
    assert "Results with a relevance of at least 0.200 are shown. This keeps 85 % of the relevant results" in text
    assert ">gate<" not in text
    assert "keep one" not in text + read_card(path)
    assert "hides results below 0.200: 85 % of the relevant" in read_card(path)
    printed = "\n".join(file_lines(manifest, path))
    assert "at least 0.20 (--min-relevance auto): keeps 85 % of relevant and 31 % of other results" in printed
    assert "22 % of the queries about absent things still have results" in printed
    assert "slope 8.0, intercept 4.0, cut 0.2" in describe(inspect(path))


def test_a_gate_is_told_wherever_the_cut_is(searcher, page):
    assert "slope 8.0, intercept 4.0, gate 0.789, cut 0.2" in describe(inspect(searcher))
    engine = GraphEngine(BaseOptions(str(searcher)))
    printed = "\n".join(file_lines(engine.manifest, searcher))
    engine.close()
    assert "at least 0.20 if the first result has at least 0.79 (--min-relevance auto): keeps 85 % of relevant and 31 % of other" in printed
    assert "88 % of the queries with a relevant result keep one" in printed
    assert "22 % of the queries about absent things still have results" in printed
    assert ">gate</text>" in page.read_text()  # the chart's legend


def test_queries_of_few_words_are_told_wherever_captions_are(searcher, page):
    engine = GraphEngine(BaseOptions(str(searcher)))
    printed = "\n".join(file_lines(engine.manifest, searcher))
    engine.close()
    assert re.search(r"one word +P@5 40\.8 %  P@10 36\.3 %, 97\.1 % answered  \(131 queries of one word\)", printed)
    assert "| one word | 131 | 40.8 (36.1 to 45.2) | 36.3 (32.0 to 40.9) | 97.1 |" in read_card(searcher)
    assert "two to three words" not in printed + read_card(searcher)
    text = page.read_text()
    assert "40.8 (36.1 to 45.2)" in text
    assert "a picture &lt;b&gt;fits&lt;/b&gt; sometimes" in text


def test_a_changed_card_is_damage(tmp_path, searcher):
    changed = tmp_path / "changed.tflite"
    changed.write_bytes(searcher.read_bytes().replace(b"CC BY 4.0", b"CC0 1.0  "))
    with pytest.raises((DamagedFileError, BuildError), match=CARD):
        verify(changed)


def test_a_file_without_a_card_says_so(searcher_file, capsys):
    assert main(["inspect", "--card", str(searcher_file)]) == 1
    assert f"has no {CARD}" in capsys.readouterr().err


def test_a_build_writes_card_and_report_beside_the_file(photos, tmp_path):
    output = tmp_path / "out" / "pocket.tflite"
    command = ["build", "--images", photos, "--captions", photos / "captions.tsv", "--output", output, "--epochs", 1, "--batch-size", 8]
    assert main([*map(str, command), "--author", "Ada", "--license", "CC0", "--data", "drawn by a test"]) == 0
    assert sorted(p.name for p in output.parent.iterdir() if p.is_file()) == ["pocket.card.md", "pocket.report.html", "pocket.tflite"]
    card = (output.parent / "pocket.card.md").read_text()
    assert card == read_card(output)
    assert all(text in card for text in ("# pocket", "Ada", "CC0", "drawn by a test"))
    assert "Worst failures" in (output.parent / "pocket.report.html").read_text()
    (output.parent / "pocket.report.html").unlink()
    assert main([*map(str, command), "--overwrite", "--no-report"]) == 0
    assert not (output.parent / "pocket.report.html").exists()


def test_a_report_reads_well_in_chromium(page, tmp_path):
    """Desktop, phone, dark and print: no error, no request, nothing too wide, axe clean, the map by keyboard."""
    missing = [name for name, found in (("node", shutil.which("node")), ("chromium", CHROMIUM)) if not found]
    missing += [] if (WEB / "node_modules" / "playwright-core").is_dir() else ["tests/web/node_modules (npm ci --prefix tests/web)"]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not here")
    command = ["node", str(WEB / "report.mjs"), str(page), str(tmp_path), str(CHROMIUM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"desktop", "dark", "phone"}
    for name, view in found.items():
        assert view["errors"] == [], name
        assert view["requests"] == 1, name
        assert view["width"] <= view["window"], name
        assert view["violations"] == [], name
        assert view["broken"] == [], name
    assert found["desktop"]["background"] != found["dark"]["background"]
    keys = found["desktop"]["keys"]
    assert len(set(keys)) == 3  # Tab takes one, each arrow another
    assert found["desktop"]["stops"] == 1
    assert found["desktop"]["enlarged"] > 2
    assert (tmp_path / "print.pdf").stat().st_size > 20_000
