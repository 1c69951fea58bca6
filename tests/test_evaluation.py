"""Retrieval and zero-shot figures, against the plain way to count them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, words_tower
from PIL import Image

from maker import searcher
from maker.cli import main
from maker.embedding.features import image_features
from maker.errors import DataError, EncoderError
from maker.evaluation.retrieval import evaluate, stored_rows
from maker.evaluation.zero_shot import classify, label_embeddings, read_labels
from maker.export.encoder_file import write_encoder
from maker.training.metrics import by_language, image_to_text, interval, mean_interval, median_interval, ranks, retrieval
from maker.workspace import Workspace
from task.core import BaseOptions
from task.search import GraphEngine
from task.text import TextEmbedder, TextSearcher
from task.vision import ImageEmbedder, TensorImage

PHOTOS, K = 60, 7


def embedded(embedder, query) -> np.ndarray:
    return embedder.embed(query).embeddings[0].feature_vector.value


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """60 pictures of random colours and their captions, English and Chinese, each of one to three pictures' own."""
    path = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    lines = ["image\tsplit\tlang\tcaption"]
    for number in range(PHOTOS):
        Image.fromarray(np.full((16, 16, 3), rng.integers(0, 256, 3), np.uint8)).save(path / f"{number:02d}.png")
        for _ in range(1 + number % 3):
            language = "zh" if rng.random() < 0.4 else "en"
            words = rng.permutation(TEXTS[2 if language == "zh" else rng.integers(2)].split(" ")).tolist()
            lines.append(f"{number:02d}.png\tval\t{language}\t{' '.join(words)} {number}")
    lines.append("gone.png\tval\ten\tan absent picture")
    (path / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["dot_product", "squared_l2"])
def searched(request, folder, encoder, tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A partitioned searcher over the pictures that returns seven neighbours, and the float embeddings; of any norm for squared L2."""
    path = tmp_path_factory.mktemp("evaluated") / "searcher.tflite"
    if request.param == "squared_l2":
        encoder, tower = path.with_name("encoder.tflite"), words_tower()
        shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
        write_encoder(encoder, {"text": tower, "image": PooledColours()}, shapes, normalize=False, dimension=DIMENSION)
    with ImageEmbedder.create_from_file(str(encoder)) as embedder:
        names = [f"{number:02d}.png" for number in range(PHOTOS)]
        values = np.stack([embedded(embedder, TensorImage.create_from_file(str(folder / name))) for name in names])
    data = searcher.DataLoader(str(encoder), values, names)
    options = searcher.ScaNNOptions(request.param, tree=searcher.Tree(6, 3), score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=str(path), k=K)
    return path, values


def captions(folder: Path) -> list[tuple[int, str, str]]:
    rows = [line.split("\t") for line in (folder / "captions.tsv").read_text(encoding="utf-8").splitlines()[1:-1]]
    return [(int(image.removesuffix(".png")), language, text) for image, _, language, text in rows]


def test_the_files_figures_are_those_of_its_answers(searched, folder):
    path, _ = searched
    figures = evaluate(path, folder, folder / "captions.tsv", towers=False)
    asked = captions(folder)
    assert (figures["queries"], figures["images"], figures["items"], figures["left_out"]) == (len(asked), PHOTOS, PHOTOS, 1)
    places = []
    with TextSearcher.create_from_file(str(path)) as opened:
        opened.options.search_options.max_results = K
        for image, _, text in asked:
            found = [n.metadata.decode() for n in opened.search(text).nearest_neighbors]
            places.append(found.index(f"{image:02d}.png") if f"{image:02d}.png" in found else None)
    result = figures["file"]["text_to_image"]
    assert "R@10" not in result  # the file does not return that many
    for cut in (1, 5):
        assert result[f"R@{cut}"] == pytest.approx(100 * np.mean([p is not None and p < cut for p in places]), abs=0.01)
    assert result["median_rank"] == f"> {K}"
    assert result[f"MRR@{K}"] == pytest.approx(np.mean([0 if p is None else 1 / (p + 1) for p in places]), abs=1e-4)
    assert set(result["languages"]) == {"en", "zh"}
    chinese = [p for p, (_, language, _) in zip(places, asked, strict=True) if language == "zh"]
    assert result["languages"]["zh"]["R@5"] == pytest.approx(100 * np.mean([p is not None and p < 5 for p in chinese]), abs=0.01)


def test_queries_of_one_word_are_judged_by_the_captions_that_hold_it(searched, folder, tmp_path):
    path, values = searched
    kites = [number for number in range(PHOTOS) if number % 4 == 0]
    lines = [f"{n:02d}.png\t{'kite' if n in kites else 'boat' if n % 3 else 'two dogs'}" for n in range(PHOTOS)]
    (tmp_path / "captions.tsv").write_text("image\tcaption\n" + "\n".join(lines) + "\n", encoding="utf-8")
    figures = evaluate(path, folder, tmp_path / "captions.tsv", towers=False)["typed_queries"]
    engine = GraphEngine(BaseOptions(str(path)))
    rows, shares = stored_rows(path, engine), []
    words = {
        "kite": kites,
        "dogs": [n for n in range(PHOTOS) if n % 4 and n % 3 == 0],
        "boat": [n for n in range(PHOTOS) if n % 4 and n % 3],
    }
    with TextEmbedder.create_from_file(str(path)) as embedder:
        for word, fitting in words.items():
            query = embedded(embedder, word)
            distances = -rows @ query if engine.distance == "dot_product" else ((query - rows) ** 2).sum(1)
            shares.append(np.isin(np.argsort(distances)[:5], fitting).mean())
    assert figures["one_word"]["queries"] == 3
    assert figures["one_word"]["P@5"] == pytest.approx(100 * np.mean(shares), abs=0.01)
    assert "answered" not in figures["one_word"]  # the file has no relevance curve
    assert figures["images"] == PHOTOS


def test_the_towers_figures_are_those_of_exact_search(searched, folder, tmp_path):
    path, values = searched
    figures = evaluate(path, folder, folder / "captions.tsv", work_dir=tmp_path)
    asked = captions(folder)
    with TextEmbedder.create_from_file(str(path)) as embedder:
        texts = np.stack([embedded(embedder, text) for _, _, text in asked])
    described = np.array([image for image, _, _ in asked])
    distances = ((texts[:, None] - values[None]) ** 2).sum(2)
    place = (distances < distances[np.arange(len(asked)), described][:, None] - 1e-7).sum(1)
    result = figures["towers"]["text_to_image"]
    assert result["R@10"] == pytest.approx(100 * np.mean(place < 10), abs=0.01)
    assert result["median_rank"] == pytest.approx(np.median(place) + 1, abs=1)
    nearest = [(distances[:, i] < distances[described == i, i].min() - 1e-7).sum() for i in range(PHOTOS)]
    back = figures["towers"]["image_to_text"]
    assert back["R@10"] == pytest.approx(100 * np.mean(np.array(nearest) < 10), abs=2)
    engine = GraphEngine(BaseOptions(str(path)))
    np.testing.assert_allclose(stored_rows(path, engine), values, atol=0.01 * np.abs(values).max())  # int8
    assert figures["file"]["image_to_text"]["R@10"] == pytest.approx(back["R@10"], abs=10)
    assert set(back["languages"]) == {"en", "zh"}


def test_the_towers_see_pictures_from_as_many_views_as_the_rows_did(folder, tmp_path, monkeypatch):
    encoder, path, seen = tmp_path / "encoder.tflite", tmp_path / "searcher.tflite", []
    towers = {"text": words_tower(), "image": PooledColours()}
    shapes = {"text": (1, words_tower().size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    write_encoder(encoder, towers, shapes, dimension=DIMENSION, described={"image": {"views": 3}})
    names = [f"{number:02d}.png" for number in range(PHOTOS)]
    with Workspace.open(tmp_path / "rows.work") as work:
        whole_and_mean = image_features(folder, names, encoder, work, 3)
    values = whole_and_mean.values / np.linalg.norm(whole_and_mean.values, axis=1, keepdims=True)
    data = searcher.DataLoader(str(encoder), values, names)
    searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))).export(
        export_filename=str(path)
    )
    monkeypatch.setattr("maker.evaluation.retrieval.image_features", lambda *given: seen.append(given[-1]) or image_features(*given))
    figures = evaluate(path, folder, folder / "captions.tsv", work_dir=tmp_path / "again.work")
    assert seen == [3]
    assert figures["towers"]["text_to_image"]["R@10"] == pytest.approx(figures["file"]["text_to_image"]["R@10"], abs=2)


def test_evaluate_prints_a_line_each_of_source_direction_and_language(searched, folder, capsys, tmp_path):
    path, _ = searched
    arguments = ["evaluate", str(path), "--images", str(folder), "--captions", str(folder / "captions.tsv"), "--work-dir", str(tmp_path)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("text to image", "image to text")) for line in lines) == 4
    assert sum(line.startswith(("  en", "  zh")) for line in lines) == 8
    assert any(f"> {K}" in line for line in lines)
    assert max(map(len, lines)) < 200
    assert not [line for line in lines if re.search(r"\)(?!  |$)", line)]  # columns do not touch


def test_figures_that_a_limit_hides_are_said_to_be_beyond_it():
    found = np.array([0.0, 1, 5, 5, 5])
    figures = retrieval(found, np.arange(5), limit=5, items=40)
    assert (figures["R@1"], figures["R@5"]) == (20, 40)
    assert "R@10" not in figures
    assert figures["median_rank"] == "> 5"
    assert figures["MRR@5"] == pytest.approx((1 + 1 / 2) / 5)
    assert "MRR" not in figures
    whole = retrieval(found, np.arange(5), items=40)
    assert (whole["median_rank"], whole["MRR"]) == (6, pytest.approx((1 + 1 / 2 + 3 / 6) / 5, abs=1e-4))


def test_intervals_hold_their_figure_and_are_drawn_by_image(rng):
    values = rng.integers(0, 40, 500).astype(float)
    for of, figure in ((mean_interval, values.mean()), (median_interval, np.median(values))):
        low, high = of(values, np.arange(500))
        assert low < figure < high
        assert high - low < 8
    # Five captions of an image that all go right or wrong together say no more than one.
    alike, one = np.repeat(values[:100], 5), values[:100]
    assert mean_interval(alike, np.repeat(np.arange(100), 5)) == mean_interval(one, np.arange(100))
    assert median_interval(alike, np.repeat(np.arange(100), 5)) == median_interval(one, np.arange(100))
    assert interval(one, np.arange(100), 10) == mean_interval(100.0 * (one < 10), np.arange(100))


def test_the_median_interval_is_that_of_resampled_images(rng):
    values, groups = rng.integers(0, 30, 90).astype(float), np.sort(rng.integers(0, 20, 90))
    _, number = np.unique(groups, return_inverse=True)
    drawing = np.random.default_rng(0)
    drawn = [np.median(np.concatenate([values[number == g] for g in drawing.integers(0, 20, 20)])) for _ in range(1000)]
    assert median_interval(values, groups) == tuple(np.round(np.percentile(drawn, (2.5, 97.5)), 1))


def test_languages_are_counted_apart(rng):
    texts = rng.standard_normal((40, 8)).astype(np.float32)
    images = rng.standard_normal((10, 8)).astype(np.float32)
    described, languages = np.arange(40) % 10, np.where(np.arange(40) < 30, "en", "de")
    found = ranks(texts, images, described)
    figures = by_language(found, described, languages, items=10)
    assert figures["languages"]["de"] == retrieval(found[30:], described[30:], items=10)
    back = image_to_text(images, texts, described, languages)
    assert back["languages"]["de"]["R@10"] == 100  # ten captions, one an image
    assert back["R@10"] < 100
    assert "languages" not in by_language(found, described, np.full(40, "en"), items=10)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """Pictures in a folder a label."""
    path = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(8)
    for number in range(70):
        folder = path / f"label_{number % 7}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), rng.integers(0, 256, 3), np.uint8)).save(folder / f"{number}.png")
    (path / "stray.png").write_bytes((path / "label_0" / "0.png").read_bytes())
    (path / "label_1" / "broken.png").write_text("no image")
    return path


NAMES = {f"label_{i}": name for i, name in enumerate(["red kite", "dog", "sea", "boat", "hill", "beach", "猫"])}
TEMPLATES = ["a photo of a {}", "two {} in the snow"]


def test_an_image_belongs_to_the_label_whose_mean_sentence_is_nearest(labelled, encoder, tmp_path):
    figures = classify(encoder, labelled, labels=NAMES, templates=TEMPLATES, work_dir=tmp_path)
    with TextEmbedder.create_from_file(str(encoder)) as embedder:
        sentences = np.stack([[embedded(embedder, t.replace("{}", name)) for t in TEMPLATES] for name in NAMES.values()])
    classes = sentences.mean(1) / np.linalg.norm(sentences.mean(1), axis=1, keepdims=True)
    np.testing.assert_allclose(label_embeddings(encoder, list(NAMES.values()), TEMPLATES), classes, atol=1e-6)
    first, five = [], []
    with ImageEmbedder.create_from_file(str(encoder)) as embedder:
        for path in sorted(labelled.glob("label_*/*[0-9].png")):
            order = np.argsort(-(classes @ embedded(embedder, TensorImage.create_from_file(str(path)))))
            label = int(path.parent.name.removeprefix("label_"))
            first.append(order[0] == label)
            five.append(label in order[:5])
    assert (figures["images"], figures["rejected"], figures["chance"]) == (70, 2, 14.29)
    assert 0 < np.mean(first) < np.mean(five) < 1
    assert figures["top-1"] == pytest.approx(100 * np.mean(first), abs=0.01)
    assert figures["top-5"] == pytest.approx(100 * np.mean(five), abs=0.01)
    assert figures["top-1_interval"][0] <= figures["top-1"] <= figures["top-1_interval"][1]
    total = sum(values["images"] * values["top-1"] for values in figures["labels"].values())
    assert total / 70 == pytest.approx(figures["top-1"], abs=0.01)
    rows = (tmp_path / "classify-rejects.tsv").read_text().splitlines()
    assert "stray.png\t\tis not in the folder of a label" in rows
    assert any(row.startswith("label_1/broken.png") for row in rows)


def test_labels_may_come_from_files(labelled, encoder, tmp_path, capsys):
    (tmp_path / "labels.txt").write_text("".join(f"{label}\t{name}\n" for label, name in NAMES.items()), encoding="utf-8")
    (tmp_path / "truth.tsv").write_text("".join(f"label_{n % 7}/{n}.png\tlabel_{n % 7}\n" for n in range(14)))
    arguments = ["classify", str(encoder), "--images", str(labelled), "--work-dir", str(tmp_path / "work")]
    more = ["--labels", str(tmp_path / "labels.txt"), "--truth", str(tmp_path / "truth.tsv"), "--template", "a {}", "--template", "the {}"]
    assert main([*arguments, *more, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["images"], figures["templates"]) == (14, ["a {}", "the {}"])
    assert list(figures["labels"]) == list(NAMES)
    assert main(arguments) == 0
    assert "70 images of 7 labels, 2 left out" in capsys.readouterr().out
    assert read_labels("old_boat, dog") == {"old_boat": "old boat", "dog": "dog"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"templates": ["a photo"]}, "expected a sentence with {}"),
        ({"labels": {"dog": "dog"}}, "expected at least two"),
        ({"labels": {"a": "a", "b": "b"}}, "no image with one of the labels a, b"),
    ],
)
def test_what_cannot_be_classified_is_refused(labelled, encoder, tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        classify(encoder, labelled, work_dir=tmp_path, **arguments)
    (tmp_path / "truth.tsv").write_text("0.png label_0\n")
    with pytest.raises(DataError, match="line 1 is '0.png label_0'"):
        classify(encoder, labelled, truth=tmp_path / "truth.tsv")
    with pytest.raises(DataError, match="expected a file, or several labels"):
        read_labels("nothing")


def test_a_file_without_an_image_tower_cannot_classify(labelled, tmp_path, embeddings):
    path = tmp_path / "s.tflite"
    data = searcher.DataLoader(None, embeddings, [str(i) for i in range(len(embeddings))])
    searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))).export(
        export_filename=path
    )
    with pytest.raises(EncoderError, match="has search_embedding, expected embed_image"):
        classify(path, labelled)
