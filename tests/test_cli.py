"""The command line, end to end on pictures that the test makes."""

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import pytest
from conftest import run_fresh
from PIL import Image

from maker import commands
from maker.cli import VERBS, main
from maker.commands.searcher_options import add_index_options
from maker.encoders import spellings
from maker.encoders.embedder import embedder_manifest
from maker.evaluation.relevance import JudgedResults, measure
from task import text, vision
from task.format import archive


def build(photos, output, *more):
    return main(
        ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--output", str(output), "--batch-size", "8", *more]
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A searcher built from scratch by the command, its folder of photos and what was printed."""
    folder = tmp_path_factory.mktemp("built")
    photos = folder / "photos"
    photos.mkdir()
    colours = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
    lines = ["image\tsplit\tlang\tcaption"]
    for number in range(40):
        name, colour = list(colours.items())[number % 4]
        noise = np.random.default_rng(number).integers(-20, 20, (20, 30, 3))
        Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(photos / f"{number}.png")
        for caption in (f"a plain {name} picture", f"something all {name}"):
            lines.append(f"{number}.png\t{'val' if number >= 32 else 'train'}\ten\t{caption}")
    lines.append("gone.png\ttrain\ten\tan absent picture")
    (photos / "broken.png").write_text("no image")
    (photos / "captions.tsv").write_text("\n".join(lines) + "\n")
    output = folder / "searcher.tflite"
    command = [sys.executable, "-m", "maker.cli", "build", "--images", photos, "--captions", photos / "captions.tsv", "--output", output]
    options = ["--epochs", "12", "--min-steps", "0", "--batch-size", "16", "--language", "en", "--dimension", "32"]
    done = subprocess.run([*map(str, command), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output, photos, done.stdout


def test_a_build_says_what_it_did(built):
    _, _, printed = built
    assert "40 read and indexed, 2 inputs rejected" in printed
    for word in ("R@1", "R@10", "index_recall@10", "MB", "p50", "golden queries"):
        assert word in printed


def test_rejected_inputs_are_listed_with_place_and_reason(built):
    output, _, _ = built
    rows = (output.with_suffix(".work") / "rejects.tsv").read_text().splitlines()
    assert "broken.png\t\tnot an image" in rows
    assert "captions.tsv\tline 82\tnames an absent file: gone.png" in rows


def test_the_searcher_finds_pictures_by_text_and_by_image(built):
    output, photos, _ = built
    with text.TextSearcher.create_from_file(str(output)) as searcher:
        found = searcher.search("a plain blue picture").nearest_neighbors
    assert [int(n.metadata.decode().removesuffix(".png")) % 4 for n in found] == [2] * 5
    with vision.ImageSearcher.create_from_file(str(output)) as searcher:
        image = vision.TensorImage.create_from_file(str(photos / "7.png"))
        found = searcher.search(image).nearest_neighbors
    assert [int(n.metadata.decode().removesuffix(".png")) % 4 for n in found] == [3] * 5


def test_search_prints_json_and_draws_a_contact_sheet(built, capsys, tmp_path):
    output, photos, _ = built
    sheet = tmp_path / "sheet.png"
    assert main(["search", str(output), "red", "-k", "3", "--json", "--images", str(photos), "--contact-sheet", str(sheet)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["query"] == "red"
    assert len(answer["neighbors"]) == 3
    with Image.open(sheet) as drawn:
        assert drawn.width > 500
        assert len(drawn.getcolors(1 << 24)) > 50
    assert main(["search", str(output), "--by-image", str(photos / "3.png")]) == 0
    assert "3.png" in capsys.readouterr().out


def test_evaluate_asks_the_file_every_caption(built, capsys):
    output, photos, _ = built
    arguments = ["evaluate", str(output), "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--json"]
    assert main([*arguments, "--split", "val"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["queries"], figures["images"], figures["items"]) == (16, 8, 40)
    assert figures["p50_ms"] > 0
    for source in ("file", "towers"):
        for direction, chance in (("text_to_image", 100 / 40), ("image_to_text", 100 / 16)):
            found = figures[source][direction]
            assert chance < found["R@10"] <= 100
            assert found["R@1"] <= found["R@5"] <= found["R@10"]
    assert main([*arguments, "--split", "test"]) == 1
    assert "the file has train, val" in capsys.readouterr().err


def test_inspect_accounts_for_every_byte(built, capsys):
    output, _, _ = built
    assert main(["inspect", str(output), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(found["sizes"].values()) == found["bytes"] == output.stat().st_size
    assert set(found["signatures"]) == {"search_text", "embed_text", "search_image", "embed_image", "search_embedding"}
    assert found["signatures"]["search_text"]["outputs"] == ["distances float32[1, 50]", "ids int32[1, 50]"]
    assert main(["inspect", str(output)]) == 0
    assert "item rows" in capsys.readouterr().out
    assert main(["verify", str(output)]) == 0


def written(work):
    """The towers and features in a work folder, and when each was written; a file replaced by an equal one has another inode."""
    kept = [path for path in work.rglob("*") if path.suffix in (".tflite", ".npy")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in kept}


def test_a_second_build_takes_the_trained_encoder_and_gives_the_same_file(built, tmp_path):
    output, photos, _ = built
    work, again = tmp_path / "work", tmp_path / "again.tflite"
    shutil.copytree(output.with_suffix(".work"), work)
    before = written(work)
    assert {path.name.partition("-")[0] for path in before} == {"encoder", "features.npy"}
    (encoder,) = work.glob("encoder-*.tflite")
    checkpoint = encoder.with_name(encoder.stem.replace("encoder", "training") + ".npz")
    checkpoint.touch()  # what a build leaves that is killed when the encoder is written
    options = ["--epochs", "12", "--min-steps", "0", "--batch-size", "16", "--language", "en", "--dimension", "32", "--work-dir", str(work)]
    command = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--output", str(again)]
    assert main([*command, *options]) == 0
    assert written(work) == before
    assert not checkpoint.exists()
    assert (work / "rejects.tsv").read_text() == (output.with_suffix(".work") / "rejects.tsv").read_text()
    first, second = (embedder_manifest(path).sha256 for path in (output, again))
    assert first.pop("model_card.md") != second.pop("model_card.md")  # it holds the times
    assert first == second
    assert "model" in first


@pytest.fixture
def enough_to_fit(monkeypatch):
    """A curve wherever one is fitted, although these captions are too few."""
    judged = JudgedResults(np.array([[-0.9, -0.2]], np.float32), np.array([[True, False]]), np.array([np.nan], np.float32))
    curve = {"slope": 8.0, "intercept": 4.0, "gate": 0.3, "cut": 0.2, "rule": "a rule", "how": "some captions"}
    curve["measured"] = measure(judged, 8.0, 4.0, 0.3, 0.2)
    monkeypatch.setattr(import_module("maker.pipeline.relevance_stage"), "calibrate", lambda *_: curve)


def test_another_folder_can_be_the_corpus(built, tmp_path, capsys, enough_to_fit):
    output, photos, _ = built
    (tmp_path / "corpus" / "deep").mkdir(parents=True)
    for number in (1, 2):
        shutil.copy(photos / f"{number}.png", tmp_path / "corpus" / "deep")
    options = ["--epochs", "12", "--min-steps", "0", "--batch-size", "16", "--language", "en", "--dimension", "32"]
    command = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--output", str(tmp_path / "c.tflite")]
    work = ["--work-dir", str(output.with_suffix(".work")), "--corpus", str(tmp_path / "corpus")]
    assert main([*command, *options, *work]) == 0
    found = text.TextSearcher.create_from_file(str(tmp_path / "c.tflite")).search("green").nearest_neighbors
    assert [n.metadata for n in found] == [b"deep/1.png", b"deep/2.png"]
    assert {n.relevance for n in found} == {None}  # the captions are of other pictures
    assert (
        f"none: there are too few held-out captions to fit a relevance that also holds for {tmp_path / 'corpus'}, which has no captions"
        in capsys.readouterr().out
    )


def test_the_training_folder_as_corpus_has_its_relevance_curve(built, tmp_path, capsys, enough_to_fit):
    output, photos, _ = built
    options = ["--epochs", "12", "--min-steps", "0", "--batch-size", "16", "--language", "en", "--dimension", "32", "--no-report"]
    command = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--output", str(tmp_path / "c.tflite")]
    work = ["--work-dir", str(output.with_suffix(".work")), "--corpus", f"{photos.parent}/nowhere/../{photos.name}"]
    (photos.parent / "nowhere").mkdir()
    assert main([*command, *options, *work]) == 0
    printed = capsys.readouterr().out
    assert "too few held-out captions" not in printed
    assert (
        "at least 0.20 if the first result has at least 0.30 (--min-relevance auto): keeps 100 % of relevant and 0 % of other results"
        in printed
    )
    assert "100 % of the queries with a relevant result keep one" in printed
    assert None not in {
        n.relevance for n in text.TextSearcher.create_from_file(str(tmp_path / "c.tflite")).search("green").nearest_neighbors
    }


def test_the_trained_encoder_holds_its_words_for_the_task_library(built, tmp_path, capsys):
    output, _, _ = built
    (encoder,) = output.with_suffix(".work").glob("encoder-*.tflite")
    content = encoder.read_bytes()
    start, size = archive.locate(content)[spellings.FILE]
    words = spellings.decode(content[start : start + size])
    assert {"a", "plain", "picture", "something", "all", "red", "green", "blue", "white", "plain red"} <= set(words)
    assert "absent" not in words
    exported = tmp_path / "s.tflite"
    assert main(["export", str(output), "--embedder", str(encoder), "--output", str(exported)]) == 0
    assert "40, all scanned" in capsys.readouterr().out
    with text.TextSearcher.create_from_file(str(exported)) as searcher:
        found = searcher.search("a plain blue picture").nearest_neighbors
    assert [int(n.metadata.decode().removesuffix(".png")) % 4 for n in found] == [2] * 5


def test_an_existing_output_is_kept_without_overwrite(photos, tmp_path, capsys):
    (tmp_path / "s.tflite").write_text("precious")
    assert build(photos, tmp_path / "s.tflite") == 1
    assert "s.tflite: exists already; pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "s.tflite").read_text() == "precious"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--language", "fr"], "no captions of language 'fr'; the file has en"),
        (["--image-encoder", "magic:x"], "unknown kind 'magic'"),
        (["--image-encoder", "tflite:nowhere.tflite"], "no such file: nowhere.tflite"),
        (["--epochs", "0"], "epochs must be within"),
        (["--recall", "2"], "recall must be within"),
        (["--corpus", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_output(photos, tmp_path, capsys, more, message):
    assert build(photos, tmp_path / "s.tflite", *more) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("maker: error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "s.tflite").exists()


def test_captions_of_no_image_in_the_folder_are_an_error(photos, tmp_path, capsys):
    (tmp_path / "c.tsv").write_text("image\tcaption\nelse/x.png\ta cat\n")
    assert main(["build", "--images", str(photos), "--captions", str(tmp_path / "c.tsv"), "--output", str(tmp_path / "s.tflite")]) == 1
    assert "line 2 names else/x.png" in capsys.readouterr().err


def test_embeddings_from_anywhere_are_indexed(tmp_path, encoder, capsys):
    np.save(tmp_path / "e.npy", np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32))
    (tmp_path / "m.txt").write_text("\n".join(f"item {i}" for i in range(50)))
    command = ["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "m.txt"), "--embedder", str(encoder)]
    assert main([*command, "--output", str(tmp_path / "s.tflite"), "--leaves", "5"]) == 0
    assert "in 5 leaves" in capsys.readouterr().out
    assert len(text.TextSearcher.create_from_file(str(tmp_path / "s.tflite")).search("a kite").nearest_neighbors) == 5
    (tmp_path / "m.txt").write_text("too few\n")
    assert main([*command, "--output", str(tmp_path / "t.tflite")]) == 1
    assert "1 metadata for 50 embeddings" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if "t.tflite" in p.name] == []


def test_embedded_images_can_be_indexed_again(built, tmp_path, capsys):
    output, photos, _ = built
    assert main(["embed", str(output), str(photos), "--kind", "image", "--output", str(tmp_path / "e.npy")]) == 0
    assert "40 embeddings of 32 dimensions, 1 rejected" in capsys.readouterr().out
    command = ["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "e.txt"), "--embedder", str(output)]
    assert main([*command, "--output", str(tmp_path / "s.tflite")]) == 0
    first, second = (text.TextSearcher.create_from_file(str(p)).search("green") for p in (output, tmp_path / "s.tflite"))
    assert [n.metadata for n in first.nearest_neighbors] == [n.metadata for n in second.nearest_neighbors]


def test_sentences_are_embedded_into_tables(built, tmp_path, capsys):
    output, _, _ = built
    (tmp_path / "t.txt").write_text("a plain red picture\nblue\n")
    for name in ("e.tsv", "e.parquet", "e.npy"):
        assert main(["embed", str(output), str(tmp_path / "t.txt"), "--kind", "text", "--output", str(tmp_path / name)]) == 0
    values = np.load(tmp_path / "e.npy")
    rows = [line.split("\t") for line in (tmp_path / "e.tsv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["a plain red picture", "blue"]
    assert np.array_equal(np.array([row[1:] for row in rows], np.float32), values)
    parquet = pytest.importorskip("pyarrow.parquet")
    assert np.array_equal(np.array(parquet.read_table(tmp_path / "e.parquet")["embedding"].to_pylist(), np.float32), values)
    assert main(["embed", str(output), str(tmp_path / "t.txt"), "--kind", "text", "--output", str(tmp_path / "e.doc")]) == 1


def test_a_size_is_bytes_or_a_number_with_a_unit(capsys):
    parser = ArgumentParser()
    add_index_options(parser)
    sizes = [parser.parse_args(["--max-size", text]).max_size for text in ("10K", "20k", "2.5M", "1G", "300")]
    assert sizes == [10_000, 20_000, 2_500_000, 1_000_000_000, 300]
    for wrong in ("20MB", "large", ""):
        with pytest.raises(SystemExit):
            parser.parse_args(["--max-size", wrong])
        assert f"found {wrong!r}, expected bytes, or a number with k, M or G such as 20M" in capsys.readouterr().err


def test_usage_errors_exit_with_two(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["build"])
    assert caught.value.code == 2
    assert "--images" in capsys.readouterr().err


def test_version_is_the_distribution_s(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"maker {metadata.version('pocket-searcher')}\n"


def test_version_of_a_checkout_that_is_not_installed(capsys, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "maker, version unknown: pocket-searcher is not installed\n"


def test_every_module_with_a_verb_is_in_the_command_line():
    modules = [import_module(f"maker.commands.{path.stem}") for path in Path(commands.__path__[0]).glob("[!_]*.py")]
    verbs = {module for module in modules if hasattr(module, "add_arguments")}
    assert verbs
    assert verbs == set(VERBS)


HELP = """
import sys
from maker.cli import main
from maker.encoders import spellings
try:
    main(["--help"])
except SystemExit:
    print("tensorflow" in sys.modules)
"""


def test_help_does_not_load_tensorflow():
    assert run_fresh(HELP).splitlines()[-1] == "False"
