"""A words tower that learns from a larger encoder, and one that is exported beside a pretrained tower."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE

from maker.cli import main
from maker.errors import UsageError
from maker.graph.model import Model
from maker.pipeline.options import TowerOptions
from maker.training.vocabulary import Rows
from task.text import TextSearcher

LENGTH = 8
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"a plain something all red green blue white picture crimson ivory".split(" ")]  # noqa: SIM905
COLOURS, THINGS, PLACES = (
    ("red", "green", "white", "blue"),
    ("kite", "hill", "boat", "dogs"),
    ("", "on the beach", "in the snow", "above the sea"),
)
SAME = {"crimson": "red", "ivory": "white"}  # words that mean the same to the text model


@pytest.fixture
def model(tmp_path) -> tuple[Path, Path]:
    """A text model that averages a row a word, and its vocabulary. It knows words that no caption has."""
    names = [SAME.get(word, word) for word in WORDS]
    table = np.random.default_rng(4).standard_normal((len(WORDS), DIMENSION)).astype(np.float32)[[WORDS.index(name) for name in names]]
    built = Model("test")
    g = built.subgraph("main")
    given = {name: g.tensor(name, (1, LENGTH), np.int32) for name in ("input_ids", "attention_mask")}
    vectors = g.gather(table, g.reshape(given["input_ids"], (LENGTH,)))
    mask = g.reshape(g.cast(given["attention_mask"], np.float32), (LENGTH, 1))
    built.signature(g, given, {"embedding": g.reshape(g.sum(g.mul(vectors, mask), axis=0), (1, DIMENSION))})
    built.write(tmp_path / "sentences.tflite")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    return tmp_path / "sentences.tflite", tmp_path / "vocab.txt"


@pytest.fixture
def command(tmp_path, photos) -> list[str]:
    """A build with a frozen image tower: random directions of the mean colour."""
    built = Model("test")
    g = built.subgraph("main")
    query = g.tensor("image", (1, SIDE, SIDE, 3), np.uint8)
    pixels = g.reshape(g.mul(g.cast(query, np.float32), np.array(1 / 255, np.float32)), (1, SIDE * SIDE, 3))
    weights = np.random.default_rng(2).standard_normal((DIMENSION, 3)).astype(np.float32)
    built.signature(
        g, {"image": query}, {"feature": g.maximum(g.fully_connected(g.mean(pixels, axis=1), weights), np.array(0, np.float32))}
    )
    built.write(tmp_path / "image.tflite")
    inputs = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--image-encoder"]
    return [*inputs, f"tflite:{tmp_path / 'image.tflite'}", "--batch-size", "8", "--dimension", "32", "--epochs", "12", "--no-report"]


def manifest(path: Path, capsys) -> dict:
    capsys.readouterr()
    assert main(["inspect", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["manifest"]


def colours(path: Path, query: str) -> set[int]:
    """The colours, by number, of the five nearest photos."""
    with TextSearcher.create_from_file(str(path)) as searcher:
        return {int(n.metadata.decode().removesuffix(".png")) % 4 for n in searcher.search(query).nearest_neighbors[:5]}


def test_words_that_no_caption_has_are_learnt_from_the_teacher(tmp_path, photos, command, model, capsys):
    sentences, vocabulary = model
    captions = photos / "captions.tsv"
    captions.write_text(captions.read_text().replace("\tval\t", "\ttrain\t"))  # nothing chooses an early epoch
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join([f"{start} {word} {end}" for word in SAME for start in ("a", "all") for end in ("picture", "something")]))
    output = tmp_path / "taught.tflite"
    taught = ["--teacher", f"tflite:{sentences}", "--tokenizer", str(vocabulary), "--teacher-texts", str(texts)]
    command += ["--epochs", "30", "--learning-rate", "0.01"]
    assert main([*command, *taught, "--output", str(output)]) == 0
    assert "teacher            tflite:sentences.tflite" in capsys.readouterr().out
    assert "taught by tflite:sentences.tflite" in output.with_suffix(".card.md").read_text(encoding="utf-8")
    assert colours(output, "crimson picture") == {0}
    assert colours(output, "ivory picture") == {3}
    found = manifest(output, capsys)
    assert found["encoders"]["text"]["spec"] == "words"
    assert found["encoders"]["text"]["teacher"] == "tflite:sentences.tflite"
    assert found["training"]["teacher"]["sentences"] == 8
    assert main([*command, "--output", str(tmp_path / "alone.tflite")]) == 0
    assert colours(tmp_path / "alone.tflite", "a crimson picture") != {0}


def test_a_searcher_teaches_with_both_of_its_towers(tmp_path, command, capsys):
    teacher, output = tmp_path / "teacher.tflite", tmp_path / "taught.tflite"
    assert main([*command, "--output", str(teacher)]) == 0
    capsys.readouterr()
    assert main([*command, "--teacher", str(teacher), "--dimension", "16", "--output", str(output)]) == 0
    printed = capsys.readouterr()
    assert "training the teacher" not in printed.err
    assert re.search(r"teacher +teacher.tflite: R@10 .* the words keep \d+ % of it", printed.out)
    assert colours(output, "a plain green picture") == {1}
    found = manifest(output, capsys)
    assert found["dimension"] == 16
    assert found["encoders"]["text"]["teacher"] == "teacher.tflite"
    assert 0 < found["training"]["teacher"]["temperature"] < 1
    assert main([*command, "--teacher", str(teacher), "--dimension", "16", "--output", str(output), "--overwrite"]) == 0
    assert "epoch" not in capsys.readouterr().err  # the run of the same inputs is reused


def test_a_run_that_is_killed_trains_its_teacher_once(tmp_path, command, model, monkeypatch, capsys):
    from maker.training import loop

    sentences, vocabulary = model
    step = loop._step

    def stopped(text, *arguments):
        if type(text).__name__ == "TextSide":
            raise KeyboardInterrupt
        return step(text, *arguments)

    monkeypatch.setattr(loop, "_step", stopped)
    build = [*command, "--teacher", f"tflite:{sentences}", "--tokenizer", str(vocabulary), "--output", str(tmp_path / "t.tflite")]
    assert main(build) == 130
    monkeypatch.setattr(loop, "_step", step)
    capsys.readouterr()
    assert main(build) == 0
    teacher, _, student = capsys.readouterr().err.partition("temperature")
    assert "epoch 1" not in teacher
    assert "epoch 1" in student
    assert not list((tmp_path / "t.work").glob("training-*.npz"))


def test_words_and_a_pretrained_tower_are_exported_as_one(tmp_path, command, model, photos, capsys):
    sentences, vocabulary = model
    output = tmp_path / "joint.tflite"
    joint = ["--text-encoder", f"words+tflite:{sentences}", "--tokenizer", str(vocabulary)]
    assert main([*command, *joint, "--output", str(output)]) == 0
    assert colours(output, "a plain crimson picture") == {0}  # known to the pretrained tower only
    found = manifest(output, capsys)
    text = found["encoders"]["text"]
    assert text["spec"] == "words+tflite:sentences.tflite"
    assert text["words_factor"] > 0
    assert {"vocabulary", "tokenizer", "pool"} <= set(text)
    assert main(["verify", str(output)]) == 0
    capsys.readouterr()
    evaluation = ["evaluate", str(output), "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--split", "val", "--json"]
    assert main(evaluation) == 0
    by_towers = json.loads(capsys.readouterr().out)["towers"]["text_to_image"]
    assert by_towers["R@10"] > 100 * 10 / 24
    assert found["report"]["retrieval"]["images"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--teacher", "absent.tflite"], "--teacher absent.tflite: no such file; expected a searcher or encoder file"),
        (["--teacher", "{image}"], "embeds image, not text; expected a searcher or encoder file with the signature embed_text"),
        (["--teacher", "tflite:{sentences}"], "--tokenizer"),
        (["--teacher", "tflite:{sentences}", "--tokenizer", "{vocabulary}", "--teacher-texts", "{empty}"], "is empty; expected a sentence"),
        (["--teacher", "tflite:{sentences}", "--tokenizer", "{vocabulary}", "--teacher-texts", "absent.txt"], "absent.txt"),
        (["--text-encoder", "words+words"], "expected a pretrained one behind words+"),
    ],
)
def test_teachers_that_cannot_teach_are_refused(tmp_path, command, model, capsys, arguments, message):
    (tmp_path / "empty.txt").write_text("\n \n")
    places = {"sentences": model[0], "vocabulary": model[1], "image": tmp_path / "image.tflite", "empty": tmp_path / "empty.txt"}
    filled = [argument.format(**places) for argument in arguments]
    assert main([*command, *filled, "--output", str(tmp_path / "o.tflite")]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher_texts": Path("t.txt"), "image_encoder": "tflite:i"}, "there is no teacher; name one with --teacher"),
        ({"teacher": "t.tflite", "image_encoder": "tflite:i", "text_encoder": "tflite:m"}, "teaches a words tower"),
        ({"teacher": "t.tflite", "encoder": Path("e.tflite")}, "has both towers already"),
    ],
)
def test_a_teacher_needs_a_words_tower_to_teach(options, message):
    with pytest.raises(UsageError, match=message):
        TowerOptions(**options)


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.standard_normal(shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def test_targets_are_the_softmax_of_the_teachers_scores(rng, monkeypatch):
    from maker.training.teacher import Teacher

    monkeypatch.setattr("maker.training.teacher.MOST_SENTENCES", 2)
    captions, images, sentences = unit(rng, 5, 6), unit(rng, 4, 6), unit(rng, 3, 6)
    rows = Rows(np.arange(3, dtype=np.int32)[:, None], np.ones((3, 1), np.float32))
    batch = Teacher(captions, images, rows, sentences, 0.1).draw(np.array([2, 0]), np.array([4, 1]), rng)
    texts = np.concatenate([captions[[4, 1]], sentences[batch.rows[:, 0]]])
    scores = np.exp(texts @ images[[2, 0]].T / 0.1)
    assert np.allclose(batch.targets, scores / scores.sum(1, keepdims=True), atol=1e-5)
    assert batch.targets.shape == (4, 2)


def test_the_loss_is_low_where_the_student_answers_as_the_teacher(rng):
    from maker.training.losses import Loss

    texts, images = unit(rng, 6, 8), unit(rng, 4, 8)
    scores = np.exp(texts @ images.T / 0.07)
    targets = scores / scores.sum(1, keepdims=True)
    right, wrong = (float(Loss("info_nce").of_teacher(t, images, targets)) for t in (texts, np.roll(texts, 1, axis=0)))
    entropy = float(-(targets * np.log(targets)).sum(1).mean())
    assert right == pytest.approx(entropy, rel=1e-4)  # at the loss's first temperature
    assert wrong > 1.5 * right
    assert float(Loss("info_nce", teacher_weight=3.0).of_teacher(texts, images, targets)) == pytest.approx(3 * right, rel=1e-5)


def test_a_teacher_that_tells_images_apart_better_is_asked_at_a_lower_temperature(rng):
    from maker.training.teacher import best_temperature

    images = unit(rng, 64, 32)
    described = np.repeat(np.arange(64), 2)
    near, far = (images[described] + noise * unit(rng, 128, 32) for noise in (0.5, 2.0))
    found = [best_temperature(c / np.linalg.norm(c, axis=1, keepdims=True), images, described) for c in (near, far)]
    assert found[0] < found[1]


def test_without_captions_a_words_tower_is_distilled_from_text_alone(tmp_path, photos, encoder, capsys):
    from maker.embedding.texts import embed_texts

    output, texts = tmp_path / "album.tflite", tmp_path / "texts.txt"
    texts.write_text("\n".join(f"a {colour} {thing} {place}" for colour in COLOURS for thing in THINGS for place in PLACES))
    build = ["build", "--images", str(photos), "--teacher", str(encoder), "--teacher-texts", str(texts), "--query-list", str(texts)]
    assert main([*build, "--output", str(output), "--no-report"]) == 0
    assert re.search(r"teacher .*: the words find .* % of its first ten pictures, for \d+ sentences not learnt", capsys.readouterr().out)
    found = manifest(output, capsys)
    assert found["encoders"]["text"]["spec"] == "words"
    assert found["encoders"]["text"]["teacher"] == encoder.name
    assert found["training"]["teacher"]["same_results"] > 60
    sentences = ["a blue boat, a red kite", "a white hill, green dogs in the snow"]  # two learnt sentences in one
    taught, teachers = (embed_texts(sentences, file) for file in (output, encoder))
    assert (taught * teachers).sum(1).min() > 0.8
    assert main(["verify", str(output)]) == 0


def test_a_teacher_needs_a_pretrained_image_tower_beside_captions(tmp_path, photos, capsys):
    inputs = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv")]
    assert main([*inputs, "--teacher", "t.tflite", "--output", str(tmp_path / "o.tflite")]) == 2
    assert "needs a pretrained image tower; name one with --image-encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--teacher", "tflite:m.tflite", "--tokenizer", "v.txt"], "embeds text only; without --captions"),
        (["--teacher", "e.tflite", "--image-encoder", "tflite:i.tflite"], "without --captions, the image tower is the teacher's"),
        (["--teacher", "e.tflite", "--epochs", "3"], "--epochs: without captions"),
    ],
)
def test_options_that_need_captions_are_refused_without_them(tmp_path, photos, capsys, arguments, message):
    assert main(["build", "--images", str(photos), *arguments, "--output", str(tmp_path / "o.tflite")]) == 2
    assert message in capsys.readouterr().err
