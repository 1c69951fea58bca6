"""Text towers with a tokenizer file: tiny models and tokenizers that the tests make, searched with `task` only."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, run_fresh

from maker import searcher
from maker.cli import main
from maker.embedding.texts import embed_texts
from maker.encoders.embedder import open_embedder
from maker.encoders.text import text_backbone
from maker.encoders.tokenizer_file import TextModelOptions, read_tokenizer
from maker.errors import EncoderError
from maker.export.encoder_file import write_encoder
from maker.graph.model import Model
from task.errors import DamagedFileError
from task.search.token_input import TokenInput
from task.search.tokenizers import bert_normalized, words
from task.text import TextEmbedder, TextSearcher

LENGTH = 12
KINDS = ("wordpiece", "sentencepiece", "hugging_face")
IN_GRAPH = ("wordpiece", "sentencepiece")  # the third has words that no graph knows
SENTENCES = [*TEXTS, "An UNAFFABLE naïve cat's un-even sea, 猫!", "", "x" * 150, "a red " * 40]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIALS, *"a an on the in red kite dog ##s cat man blue sea snow ' , ! - un ##aff ##able naive even 黑 猫 一".split(" ")]  # noqa: SIM905
LETTERS = "abcdefghijklmnopqrstuvwxyz"
INSIDE = [f"##{letter}" for letter in [*LETTERS, "é"] if letter != "s"]
VOCABULARY = [*PIECES, *(letter for letter in LETTERS if letter not in PIECES), "é", *INSIDE]


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory) -> dict[str, Path]:
    """A tokenizer file of each kind."""
    folder = tmp_path_factory.mktemp("tokenizers")
    files = {"wordpiece": folder / "any_name", "sentencepiece": folder / "spiece", "hugging_face": folder / "hf"}
    files["wordpiece"].write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20), model_writer=model, vocab_size=80, pad_id=3, hard_vocab_limit=False, minloglevel=2
    )
    files["sentencepiece"].write_bytes(model.getvalue())
    library = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    specials = ["<unk>", "<s>", "</s>", "<pad>"]
    made.train_from_iterator(TEXTS, library.trainers.BpeTrainer(vocab_size=120, special_tokens=specials, show_progress=False))
    made.post_processor = library.processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    made.save(str(files["hugging_face"]))
    return files


def token_model(path: Path, rows: int, *, sequence: bool = False, types: bool = True, dtype=np.int32, length: int = LENGTH) -> Path:
    """A model that averages rows of a table where the mask is 1; with `sequence`, one that leaves the averaging to its user."""
    model = Model("test")
    g = model.subgraph("main")
    table = np.random.default_rng(4).standard_normal((rows, DIMENSION)).astype(np.float32)
    names = ["input_ids", *([] if sequence else ["attention_mask"]), *(["token_type_ids"] if types else [])]
    given = {name: g.tensor(name, (1, length), dtype) for name in names}
    vectors = g.gather(table, g.reshape(given["input_ids"], (length,)))
    if types:
        of_types = np.repeat(np.array([[0], [9]], np.float32), DIMENSION, axis=1)  # zeros are right, ones would be seen
        vectors = g.add(vectors, g.gather(of_types, g.reshape(given["token_type_ids"], (length,))))
    if sequence:
        output = g.reshape(vectors, (1, length, DIMENSION))
    else:
        mask = g.reshape(g.cast(given["attention_mask"], np.float32), (length, 1))
        output = g.reshape(g.sum(g.mul(vectors, mask), axis=0), (1, DIMENSION))
    model.signature(g, given, {"sentence_embedding": output})
    model.write(path)
    return path


def expected_embedding(ids: list[int], rows: int) -> np.ndarray:
    table = np.random.default_rng(4).standard_normal((rows, DIMENSION)).astype(np.float32)
    total = table[ids].sum(0)
    return total / np.linalg.norm(total)


def reference_ids(kind: str, file: Path, text: str) -> list[int]:
    """What the libraries give, cut to LENGTH with the frame kept."""
    import sentencepiece
    import tokenizers

    if kind == "sentencepiece":
        processor = sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
        return [1, *processor.encode(text)[: LENGTH - 2], 2]
    if kind == "wordpiece":
        vocabulary = {piece: number for number, piece in enumerate(VOCABULARY)}
        library = tokenizers.BertWordPieceTokenizer(vocabulary, lowercase=True)
    else:
        library = tokenizers.Tokenizer.from_file(str(file))
    library.enable_truncation(LENGTH)
    return library.encode(text).ids


def index(folder: Path, embedder: Path, tokenizer: Path, embeddings: np.ndarray) -> Path:
    """A searcher that `maker index` writes."""
    np.save(folder / "e.npy", embeddings)
    (folder / "items.txt").write_text("".join(f"item {i}\n" for i in range(len(embeddings))))
    output = folder / "searcher.tflite"
    inputs = ["--embeddings", str(folder / "e.npy"), "--metadata", str(folder / "items.txt"), "--embedder", str(embedder)]
    assert main(["index", *inputs, "--tokenizer", str(tokenizer), "--output", str(output), "--overwrite"]) == 0
    return output


def inspected(path: Path, capsys) -> dict:
    capsys.readouterr()
    assert main(["inspect", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_model_and_its_tokenizer_become_a_searcher_without_training(tmp_path, tokenizers, embeddings, kind, capsys):
    rows = read_tokenizer(TextModelOptions(tokenizer=tokenizers[kind])).size
    tokenizer = tmp_path / "tokenizer"
    tokenizer.write_bytes(tokenizers[kind].read_bytes())
    path = index(tmp_path, token_model(tmp_path / "m.tflite", rows), tokenizer, embeddings)
    (tmp_path / "m.tflite").unlink()
    tokenizer.unlink()
    with TextEmbedder.create_from_file(str(path)) as embedder, TextSearcher.create_from_file(str(path)) as opened:
        for text in SENTENCES:
            ids = reference_ids(kind, tokenizers[kind], text)
            found = embedder.embed(text).embeddings[0].feature_vector.value
            np.testing.assert_allclose(found, expected_embedding(ids, rows), atol=1e-5)
            assert opened.search(text) == opened.search_embedding(found)
    assert main(["verify", str(path)]) == 0
    capsys.readouterr()
    assert main(["search", str(path), TEXTS[0], "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["neighbors"]) == 5
    found = inspected(path, capsys)
    assert sum(found["sizes"].values()) == found["bytes"]
    (golden, *_) = found["manifest"]["golden"]
    if kind in IN_GRAPH:
        assert found["signatures"]["search_text"]["inputs"] == ["query uint8[1, 256]"]
        assert found["manifest"]["query"]["text"]["max_bytes"] == 256
        assert (golden["signature"], golden["query"]) == ("search_text", "a photo")
        assert not any(name.startswith(("tokenizer", "vocab")) for name in found["sizes"])
    else:
        assert found["signatures"]["search_tokens"]["inputs"] == [f"ids int32[1, {LENGTH}]", f"mask int32[1, {LENGTH}]"]
        assert found["manifest"]["query"]["tokens"]["tokenizer"] == kind
        assert (golden["signature"], golden["query"]) == ("search_tokens", "a photo")
        assert golden["tokens"] == reference_ids(kind, tokenizers[kind], "a photo")


def test_sentences_are_embedded_by_the_file_alone(tmp_path, tokenizers, embeddings):
    path = index(tmp_path, token_model(tmp_path / "m.tflite", len(VOCABULARY)), tokenizers["wordpiece"], embeddings)
    (tmp_path / "sentences.txt").write_text("a red kite\nthe sea\n")
    assert main(["embed", str(path), str(tmp_path / "sentences.txt"), "--kind", "text", "--output", str(tmp_path / "out.npy")]) == 0
    expected = expected_embedding(reference_ids("wordpiece", tokenizers["wordpiece"], "the sea"), len(VOCABULARY))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy")[1], expected, atol=1e-5)


def test_only_the_tokenizers_library_is_missed_and_only_by_sentences(tmp_path, tokenizers, embeddings):
    path = index(tmp_path, token_model(tmp_path / "m.tflite", 300), tokenizers["hugging_face"], embeddings)
    code = """
import sys
sys.modules["tokenizers"] = sys.modules["sentencepiece"] = None
import numpy as np
from task.text import TextSearcher
searcher = TextSearcher.create_from_file(sys.argv[1])
print(len(searcher.search_embedding(np.ones(16, np.float32)).nearest_neighbors))
try:
    searcher.search("a red kite")
except ValueError as error:
    print(error)
"""
    found, error = run_fresh(code, str(path)).splitlines()
    assert found == "5"
    assert error == f"{path}: the text tower's tokenizer is a Hugging Face tokenizer.json: pip install tokenizers"


def test_wordpiece_needs_neither_library(tmp_path, tokenizers, embeddings):
    path = index(tmp_path, token_model(tmp_path / "m.tflite", len(VOCABULARY)), tokenizers["wordpiece"], embeddings)
    code = """
import sys
from task.text import TextSearcher
TextSearcher.create_from_file(sys.argv[1]).search("a red kite")
print([name for name in ("tokenizers", "sentencepiece", "tensorflow", "maker", "PIL") if name in sys.modules])
"""
    assert run_fresh(code, str(path)) == "[]"


@pytest.mark.parametrize("lower_case", [True, False])
def test_bert_normalises_and_splits_every_character_as_the_tokenizers_library(lower_case):
    library = pytest.importorskip("tokenizers")
    normalizer = library.normalizers.BertNormalizer(lowercase=lower_case)
    splitter = library.pre_tokenizers.BertPreTokenizer()
    # What a younger Unicode than 3.2 added or changed is known to one side and not to the other.
    old = unicodedata.ucd_3_2_0
    stable = [c for c in map(chr, range(1, 0x20000)) if old.category(c) == unicodedata.category(c) and old.category(c) not in ("Cs", "Cn")]
    assert len(stable) > 40_000
    for character in stable:
        text = f"a{character}b"
        expected = [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]
        assert list(words(bert_normalized(text, lower_case))) == expected, hex(ord(character))


@pytest.mark.parametrize("lower_case", [True, False])
def test_wordpiece_gives_the_ids_of_the_tokenizers_library(lower_case):
    library = pytest.importorskip("tokenizers")
    numbers = {piece: number for number, piece in enumerate(VOCABULARY)}
    reference = library.BertWordPieceTokenizer(numbers, lowercase=lower_case)
    described = {"length": 40, "inputs": ["ids"], "tokenizer": "wordpiece", "padding_id": 0, "start": 2, "end": 3, "lower_case": lower_case}
    own = TokenInput("test", described, "\r\n".join(VOCABULARY).encode())
    reference.enable_truncation(40)
    rng = np.random.default_rng(0)
    alphabet = [*"abcdefghijklmnopqrstuvwxyzABCÉéñ ,.!'-", "猫", "黑", " the ", "un", "kite", "\u3000", "\u200b", "\t", "İ", "ß", "한"]
    texts = [*SENTENCES, "y" * 100, "y" * 101, "é" * 60, *("".join(rng.choice(alphabet, 30)) for _ in range(2000))]
    for text in texts:
        assert own.ids(text) == reference.encode(text).ids, text


def test_a_text_that_is_cut_keeps_its_frame(tokenizers):
    for kind, (start, end) in {"wordpiece": (2, 3), "sentencepiece": (1, 2), "hugging_face": (1, 2)}.items():
        made = read_tokenizer(TextModelOptions(tokenizer=tokenizers[kind], length=9))
        ids = made.prepare("a red kite " * 30)["ids"][0]
        assert (ids[0], ids[-1]) == (start, end)
        short = made.prepare("a")
        assert short["mask"][0].tolist() == [1] * short["mask"].sum() + [0] * (9 - short["mask"].sum())
        assert set(short["ids"][0][short["mask"][0] == 0]) == {3 if kind != "wordpiece" else 0}


def test_an_empty_text_without_a_frame_has_an_embedding_all_the_same(tmp_path, tokenizers):
    model = token_model(tmp_path / "m.tflite", 300, sequence=True)
    options = TextModelOptions(tokenizer=tokenizers["sentencepiece"], start="", end="")
    tower = text_backbone(f"tflite:{model}", options, tmp_path)
    assert not tower.tokens.prepare("")["mask"].any()
    assert np.array_equal(run_tower(tower, tmp_path, ""), np.zeros(DIMENSION))


def test_a_lone_surrogate_is_no_reason_to_fail(tokenizers):
    for kind in KINDS:
        assert read_tokenizer(TextModelOptions(tokenizer=tokenizers[kind])).ids("a \ud800 kite")


def test_a_vector_a_token_is_pooled_in_the_graph(tmp_path, tokenizers):
    model = token_model(tmp_path / "m.tflite", len(VOCABULARY), sequence=True, types=False, dtype=np.int64)
    table = np.random.default_rng(4).standard_normal((len(VOCABULARY), DIMENSION)).astype(np.float32)
    for pool, expected in (("mean", lambda ids: table[ids].mean(0)), ("first", lambda ids: table[ids[0]])):
        tower = text_backbone(f"tflite:{model}", TextModelOptions(tokenizer=tokenizers["wordpiece"], pool=pool), tmp_path)
        assert tower.tokens.tokenizer.inputs == (["ids", "mask"] if pool == "mean" else ["ids"])
        for text in ("a red kite on the sea", ""):
            found = run_tower(tower, tmp_path, text)
            np.testing.assert_allclose(found, expected(reference_ids("wordpiece", tokenizers["wordpiece"], text)), atol=1e-5)


@pytest.mark.parametrize("form", ["keras_file", "saved_model", "hub"])
def test_keras_and_saved_models_are_converted_with_the_length_asked_for(tmp_path, tokenizers, form):
    import tensorflow as tf

    ids, mask = (tf.keras.Input((None,), dtype="int32", name=name) for name in ("word_ids", "input_mask"))
    vectors = tf.keras.layers.Embedding(len(VOCABULARY), DIMENSION)(ids)
    weighted = vectors * tf.keras.ops.cast(mask, "float32")[..., None]
    total, first = tf.keras.ops.sum(weighted, axis=1), vectors[:, 0]
    network = tf.keras.Model({"word_ids": ids, "input_mask": mask}, total if form == "keras_file" else {"total": total, "first": first})
    options = TextModelOptions(tokenizer=tokenizers["wordpiece"], length=LENGTH)
    if form == "keras_file":
        network.save(tmp_path / "m.keras")
        spec = f"keras_file:{tmp_path / 'm.keras'}"
    else:
        if form == "hub":
            pytest.importorskip("tensorflow_hub")
        network.export(tmp_path / "m", verbose=False)
        spec = f"{form}:{tmp_path / 'm'}"
        with pytest.raises(EncoderError, match=r"outputs (first|total) .* choose one with #NAME"):
            text_backbone(spec, options, tmp_path / "work")
        spec += "#total"
    tower = text_backbone(spec, options, tmp_path / "work")
    assert tower.tokens.input_shape == (1, LENGTH)
    (table,) = network.get_weights()
    for text in (TEXTS[0], "a red " * 20):
        expected = table[reference_ids("wordpiece", tokenizers["wordpiece"], text)].sum(0)
        np.testing.assert_allclose(run_tower(tower, tmp_path, text), expected, atol=1e-5)


def run_tower(tower, folder: Path, text: str) -> np.ndarray:
    write_encoder(
        folder / "tower.tflite",
        {tower.kind: tower},
        {tower.kind: tower.input_shape},
        normalize=False,
        dimension=tower.dimension,
        tokenizer=tower.tokenizer,
    )
    with TextEmbedder.create_from_file(str(folder / "tower.tflite")) as embedder:
        return embedder.embed(text).embeddings[0].feature_vector.value


def image_model(path: Path) -> Path:
    """A frozen image tower: random directions of the mean colour, cut at 0."""
    model = Model("test")
    g = model.subgraph("main")
    query = g.tensor("image", (1, SIDE, SIDE, 3), np.uint8)
    pixels = g.reshape(g.mul(g.cast(query, np.float32), np.array(1 / 255, np.float32)), (1, SIDE * SIDE, 3))
    weights = np.random.default_rng(2).standard_normal((DIMENSION, 3)).astype(np.float32)
    colour = g.fully_connected(g.mean(pixels, axis=1), weights)
    model.signature(g, {"image": query}, {"feature": g.maximum(colour, np.array(0, np.float32))})
    model.write(path)
    return path


@pytest.mark.parametrize("image_encoder", ["frozen", pytest.param("scratch", marks=pytest.mark.slow)])
def test_a_frozen_text_tower_is_trained_on_by_a_head(tmp_path, tokenizers, photos, capsys, image_encoder):
    vocabulary = [*SPECIALS, *["a", "plain", "something", "all", "red", "green", "blue", "white", "picture"]]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    model = token_model(tmp_path / "m.tflite", len(vocabulary))
    output = tmp_path / "searcher.tflite"
    command = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--output", str(output), "--epochs", "12"]
    tower = ["--text-encoder", f"tflite:{model}", "--tokenizer", str(tmp_path / "vocab.txt"), "--batch-size", "8", "--dimension", "32"]
    if image_encoder == "frozen":
        tower += ["--image-encoder", f"tflite:{image_model(tmp_path / 'i.tflite')}"]
    assert main([*command, *tower]) == 0
    assert "search_text p50" in capsys.readouterr().out
    found = inspected(output, capsys)
    assert set(found["signatures"]) == {"search_text", "embed_text", "search_image", "embed_image", "search_embedding"}
    assert found["manifest"]["encoders"]["text"]["spec"] == "tflite:m.tflite"
    folders = list(output.with_suffix(".work").glob("features/texts-*"))
    embedded = [sentence for folder in folders for sentence in json.loads((folder / "sentences.json").read_text())]
    assert len(embedded) == len(set(embedded)) >= 8  # the eight different captions, and phrases, each once
    assert {np.load(folder / "features.npy").shape[1] for folder in folders} == {DIMENSION}
    with TextSearcher.create_from_file(str(output)) as opened:
        nearest = [int(n.metadata.decode().removesuffix(".png")) % 4 for n in opened.search("A plain BLUE picture").nearest_neighbors]
    assert nearest == [2] * 5
    assert main(["verify", str(output)]) == 0
    evaluation = ["evaluate", str(output), "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--split", "val", "--json"]
    capsys.readouterr()
    assert main(evaluation) == 0
    figures = json.loads(capsys.readouterr().out)
    by_towers, by_file = (figures[source]["text_to_image"] for source in ("towers", "file"))
    assert by_towers["R@10"] > 100 * 10 / 24
    assert abs(by_towers["R@10"] - by_file["R@10"]) < 10
    model.unlink()
    assert main(["embed", str(output), str(photos), "--kind", "image", "--output", str(tmp_path / "e.npy")]) == 0
    assert np.load(tmp_path / "e.npy").shape == (24, 32)


def test_sentences_are_embedded_once_a_tower(encoder, tmp_path, monkeypatch):
    from maker.embedding import sentence_features as module
    from maker.workspace import Workspace

    monkeypatch.setattr("maker.collection.engines.os.cpu_count", lambda: 1)
    asked: list[str] = []
    real = module._embed_block
    monkeypatch.setattr(module, "_embed_block", lambda tower, job: (asked.extend(job[0]), real(tower, job)))
    for texts in (TEXTS[:3], TEXTS[1:4] * 2, TEXTS[:2]):
        found = module.sentence_features(texts, encoder, Workspace(tmp_path))
        assert np.array_equal(found.values[[found.rows[text] for text in texts]], embed_texts(texts, encoder))
    assert sorted(asked) == sorted(TEXTS[:4])


def test_a_searchers_tower_can_be_indexed_again(tmp_path, tokenizers, embeddings):
    first = index(tmp_path, token_model(tmp_path / "m.tflite", len(VOCABULARY)), tokenizers["wordpiece"], embeddings)
    np.save(tmp_path / "half.npy", embeddings[:150])
    (tmp_path / "half.txt").write_text("".join(f"item {i}\n" for i in range(150)))
    inputs = ["--embeddings", str(tmp_path / "half.npy"), "--metadata", str(tmp_path / "half.txt"), "--embedder", str(first)]
    assert main(["index", *inputs, "--output", str(tmp_path / "second.tflite")]) == 0
    with TextEmbedder.create_from_file(str(first)) as a, TextEmbedder.create_from_file(str(tmp_path / "second.tflite")) as b:
        np.testing.assert_allclose(*(e.embed(TEXTS[0]).embeddings[0].feature_vector.value for e in (a, b)), atol=1e-6)
    texts = searcher.TextDataLoader.create(str(first))
    (tmp_path / "texts.csv").write_text("text,name\na red kite,kite\nthe blue sea,sea\n")
    texts.load_from_csv(str(tmp_path / "texts.csv"), "text", "name")
    made = searcher.Searcher.create_from_data(texts, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))
    made.export(export_filename=str(tmp_path / "third.tflite"))
    with TextSearcher.create_from_file(str(tmp_path / "third.tflite")) as opened:
        assert opened.search("The Blue SEA").nearest_neighbors[0].metadata == b"sea"
    with pytest.raises(EncoderError, match="cannot be exported to the Task Library"):
        made.export(searcher.ExportFormat.TASK_LIBRARY, str(tmp_path / "task.tflite"))


def test_a_tokenizer_that_nothing_would_use_is_no_slip_of_the_pen(tmp_path, tokenizers, embeddings, capsys):
    np.save(tmp_path / "e.npy", embeddings)
    (tmp_path / "items.txt").write_text("item\n" * len(embeddings))
    inputs = ["--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "items.txt"), "--output", str(tmp_path / "s.tflite")]
    assert main(["index", *inputs, "--tokenizer", str(tokenizers["wordpiece"])]) == 1
    assert "pass the model with --embedder" in capsys.readouterr().err
    first = index(tmp_path, token_model(tmp_path / "m.tflite", len(VOCABULARY)), tokenizers["wordpiece"], embeddings)
    assert main(["index", *inputs, "--embedder", str(first), "--tokenizer", str(tokenizers["wordpiece"]), "--overwrite"]) == 1
    assert "leave out --tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokenizer": None}, "name its tokenizer with --tokenizer FILE"),
        ({"tokenizer": "nowhere"}, "cannot be read"),
        ({"tokenizer": b"just\ntext\n"}, r"has no line \[UNK\]"),
        ({"tokenizer": b'{"a": 1}'}, "expected a tokenizer.json"),
        ({"tokenizer": b"\xff\xfe\x00"}, "neither text nor a SentencePiece model"),
        ({"tokenizer": "wordpiece", "start": "<s>"}, "has no piece '<s>'"),
        ({"tokenizer": "hugging_face", "case": "lower"}, "says itself"),
        ({"tokenizer": "wordpiece", "rows": 30}, "is it this model's tokenizer"),
    ],
)
def test_tokenizers_that_do_not_fit_are_named(tmp_path, tokenizers, arguments, message):
    given, rows = arguments.pop("tokenizer"), arguments.pop("rows", 300)
    path = tokenizers.get(given, Path(given)) if isinstance(given, str) else None
    if isinstance(given, bytes):
        path = tmp_path / "tokenizer"
        path.write_bytes(given)
    model = token_model(tmp_path / "m.tflite", rows)
    with pytest.raises(EncoderError, match=message):
        text_backbone(f"tflite:{model}", TextModelOptions(tokenizer=path, **arguments), tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("words", "has its own"),
        ("bert", "unknown kind 'bert'; expected one of words"),
        ("tflite:", "expected tflite:PATH"),
        ("tflite:nowhere.tflite", "no such file"),
        ("keras:EfficientNetV2B0", "Keras applications are image models"),
        ("keras_file:nowhere.keras", "no such file"),
    ],
)
def test_text_specs_that_cannot_be_opened_say_why(tmp_path, tokenizers, spec, message):
    with pytest.raises(EncoderError, match=message):
        text_backbone(spec, TextModelOptions(tokenizer=tokenizers["wordpiece"]), tmp_path)


def test_a_model_of_open_length_is_refused(tmp_path, tokenizers):
    path = token_model(tmp_path / "m.tflite", 300)
    model = Model("test")
    g = model.subgraph("main")
    ids = g.tensor("ids", (1, 1), np.int32)
    g.table.tensors[ids].shapeSignature = [1, -1]
    output = g.reshape(g.cast(ids, np.float32), (1, 1))
    model.signature(g, {"ids": ids}, {"out": output})
    model.write(path)
    with pytest.raises(EncoderError, match=r"int32 \[1, -1\], expected ids \[1, length\] of a fixed length"):
        open_embedder(path, TextModelOptions(tokenizer=tokenizers["wordpiece"]))
    with pytest.raises(EncoderError, match="takes 2 ids, expected at least 3"):
        open_embedder(token_model(path, 300, length=2), TextModelOptions(tokenizer=tokenizers["wordpiece"]))


def test_files_whose_manifest_and_tokenizer_do_not_agree_are_damaged(tokenizers):
    good = read_tokenizer(TextModelOptions(tokenizer=tokenizers["wordpiece"]))
    for change in ({"tokenizer": "another"}, {"length": "x"}, {"padding_id": None}):
        with pytest.raises(DamagedFileError, match="test: "):
            TokenInput("test", {**good.described, **change}, good.content)
    with pytest.raises(DamagedFileError, match="tokenizer.json cannot be read"):
        TokenInput("test", {**good.described, "tokenizer": "hugging_face"}, b"{}")


def test_two_frozen_towers_start_where_their_features_correlate():
    from maker.training.head import layer_normalise
    from maker.training.initialise import paired_starts
    from maker.training.metrics import ranks, recall

    rng = np.random.default_rng(0)
    shared = rng.standard_normal((600, 6)).astype(np.float32)
    images, texts = (
        layer_normalise((shared @ rng.standard_normal((6, width)) + 0.7 * rng.standard_normal((600, width))).astype(np.float32))
        for width in (40, 30)
    )
    starts = paired_starts(images[:500], texts[:500], 16)
    found = [features[500:] @ start.weights + start.bias for features, start in zip((images, texts), starts, strict=True)]
    assert [values.shape for values in found] == [(100, 16)] * 2
    unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in found]
    assert recall(ranks(unit[1], unit[0], np.arange(100)))["R@10"] > 80
