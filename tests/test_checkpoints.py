"""Checkpoints of dual encoders: small ones with drawn weights, against what PyTorch makes of them (tests/checkpoints/references)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maker.checkpoints import perception, write_encoder
from maker.cli import main
from maker.encoders import sentence_tower
from maker.encoders.embedder import embedder_manifest
from maker.encoders.tokenizer_file import TextModelOptions
from maker.encoders.weights import WEIGHTS, Linear, Table
from maker.errors import EncoderError
from maker.export import golden
from maker.graph.model import Model
from maker.pipeline.text_stage import open_text_tower
from maker.report.card import CardFields, model_card
from maker.workspace import Workspace
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.text import TextEmbedder
from task.vision import ImageEmbedder, TensorImage
from tests.checkpoints import files

pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")
# What releases before 4.30 wrote into the configuration of any model; None is written out, too.
OLD_KEYS: dict[str, Any] = {
    **{"add_cross_attention": False, "is_decoder": False, "is_encoder_decoder": False, "pruned_heads": {}, "tie_encoder_decoder": False},
    **{"attention_dropout": 0.0, "dropout": 0.0, "chunk_size_feed_forward": 0, "initializer_factor": 1.0, "initializer_range": 0.02},
    **{"bos_token_id": None, "eos_token_id": None, "pad_token_id": None, "sep_token_id": None, "id2label": {"0": "LABEL_0"}},
    **{"do_sample": False, "max_length": 20, "top_k": 50, "typical_p": 1.0, "bad_words_ids": None, "torchscript": False, "prefix": None},
    **{"problem_type": None, "tokenizer_class": None, "output_past": True, "transformers_version": "4.16.0", "tf_legacy_loss": False},
}
REFERENCES = Path(__file__).parent / "checkpoints/references"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: make(folder / name) for name, make in files.MAKERS.items()}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 20)
    shape = perception.Shape(files.SIZE, files.PATCH, files.WIDTH, files.LAYERS, files.HEADS)
    monkeypatch.setitem(perception.SHAPES, files.TINY_PERCEPTION, shape)


def copy(checkpoint: Path, target: Path) -> Path:
    return Path(shutil.copytree(checkpoint, target))


def change(checkpoint: Path, **keys) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, **keys}))


def embeddings(encoder: Path, pictures: bool = True) -> list[np.ndarray]:
    """Those of the texts and of the pictures."""
    with TextEmbedder.create_from_file(str(encoder)) as embedder:
        texts = [embedder.embed(text).embeddings[0].feature_vector.value for text in files.TEXTS]
    if not pictures:
        return [np.array(texts)]
    with ImageEmbedder.create_from_file(str(encoder)) as embedder:
        seen = [embedder.embed(TensorImage.create_from_array(p)).embeddings[0].feature_vector.value for p in files.pictures()]
    return [np.array(texts), np.array(seen)]


@pytest.mark.parametrize(("weights", "apart"), [("float32", 1e-5), ("float16", 1e-3), ("int8", 0.03)])
@pytest.mark.parametrize("name", files.MAKERS)
def test_embeddings_are_those_of_pytorch(checkpoints, tmp_path, name, weights, apart):
    info = write_encoder(str(checkpoints[name]), tmp_path / "e.tflite", weights=weights)
    reference = np.load(REFERENCES / f"{name}.npz")
    wanted = [reference[kind] for kind in ("text", "image") if kind in reference]
    for found, right in zip(embeddings(tmp_path / "e.tflite", "image" in reference), wanted, strict=True):
        assert found.shape[1] == info.dimension
        np.testing.assert_allclose(found, right, atol=apart)


@pytest.mark.parametrize("name", ["clip", "siglip2", "chinese_clip", "bert"])
def test_a_pruned_vocabulary_embeds_its_texts_as_the_whole_and_takes_any_text(checkpoints, tmp_path, name):
    whole, less = tmp_path / "whole.tflite", tmp_path / "less.tflite"
    write_encoder(str(checkpoints[name]), whole, weights="float32", text_only=True)
    write_encoder(str(checkpoints[name]), less, weights="float32", text_only=True, keep_pieces_of=files.TEXTS[:2])
    assert less.stat().st_size < whole.stat().st_size
    (before,), (after,) = embeddings(whole, pictures=False), embeddings(less, pictures=False)
    np.testing.assert_allclose(after[:2], before[:2], atol=1e-5)
    assert np.abs(np.linalg.norm(after, axis=1) - 1).max() < 1e-3


def test_a_sentencepiece_model_cannot_be_pruned(checkpoints, tmp_path):
    with pytest.raises(EncoderError, match=r"--prune-vocabulary: cannot shorten tokenizer.model; a tokenizer.json or a WordPiece"):
        write_encoder(str(checkpoints["siglip"]), tmp_path / "e.tflite", keep_pieces_of=["a dog"])


def test_weights_in_several_files_and_in_16_bits_are_read(checkpoints, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = copy(checkpoints["clip"], tmp_path / "parts")
    tensors = {name: value.astype(np.float16) for name, value in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    write_encoder(str(folder), tmp_path / "e.tflite", weights="float32")
    texts, _ = embeddings(tmp_path / "e.tflite")
    np.testing.assert_allclose(texts, np.load(REFERENCES / "clip.npz")["text"], atol=2e-3)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"names model-00002-of-00002.safetensors, which is not in the folder"):
        write_encoder(str(folder), tmp_path / "e.tflite")


def test_an_unknown_key_is_refused_by_its_name(checkpoints, tmp_path):
    folder = copy(checkpoints["clip"], tmp_path / "c")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    change(folder, text_config={**text, "no_causal_mask": True})
    with pytest.raises(EncoderError, match=r"text_config: unknown key 'no_causal_mask' \(True\)"):
        write_encoder(str(folder), tmp_path / "e.tflite")
    assert not (tmp_path / "e.tflite").exists()


@pytest.mark.parametrize("name", ["clip", "siglip", "siglip2", "chinese_clip"])
def test_keys_that_old_releases_of_transformers_wrote_into_each_tower_are_read(checkpoints, tmp_path, name):
    folder = copy(checkpoints[name], tmp_path / "c")
    config = json.loads((folder / "config.json").read_text())
    parts = {part: {**OLD_KEYS, **config.get(part, {})} for part in ("text_config", "vision_config")}
    old_names = {} if name.startswith("siglip") else {"text_config_dict": None, "vision_config_dict": None}
    change(folder, **OLD_KEYS, **parts, **old_names)
    assert write_encoder(str(folder), tmp_path / "e.tflite").family in ("clip", "siglip", "chinese_clip")


def test_a_known_key_with_an_unknown_value_is_refused(checkpoints, tmp_path):
    folder = copy(checkpoints["clip"], tmp_path / "c")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    change(folder, text_config={**text, "hidden_act": "mish"})
    with pytest.raises(EncoderError, match=r"hidden_act is 'mish', of which this release knows quick_gelu"):
        write_encoder(str(folder), tmp_path / "e.tflite")


def test_a_tensor_of_an_unknown_part_is_refused(checkpoints, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = copy(checkpoints["clip"], tmp_path / "c")
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "text_model.adapter.weight": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")
    with pytest.raises(EncoderError, match=r"'text_model.adapter.weight' is of no known part"):
        write_encoder(str(folder), tmp_path / "e.tflite")


def test_a_tensor_of_another_shape_is_refused(checkpoints, tmp_path):
    folder = copy(checkpoints["clip"], tmp_path / "c")
    change(folder, projection_dim=files.DIMENSION + 1)
    with pytest.raises(EncoderError, match=r"visual_projection.weight' has shape \[24, 32\], expected \[25, 32\]"):
        write_encoder(str(folder), tmp_path / "e.tflite")


def test_a_tokenizer_of_another_checkpoint_is_refused(checkpoints, tmp_path):
    folder = copy(checkpoints["clip"], tmp_path / "c")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(["[UNK]", "[CLS]", "[SEP]", *map(str, range(1000))]))
    with pytest.raises(EncoderError, match=r"vocab.txt: gives ids up to 1002, but the text tower knows 554"):
        write_encoder(str(folder), tmp_path / "e.tflite")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", r"config.json: no such file"),
        ("model.safetensors", r"has neither model.safetensors nor"),
        ("tokenizer.json", r"has no tokenizer, expected tokenizer.json or"),
    ],
)
def test_what_is_missing_is_named(checkpoints, tmp_path, missing, message):
    folder = copy(checkpoints["clip"], tmp_path / "c")
    (folder / missing).unlink()
    with pytest.raises(EncoderError, match=message):
        write_encoder(str(folder), tmp_path / "e.tflite")


def test_a_damaged_file_is_named(checkpoints, tmp_path):
    folder = copy(checkpoints["clip"], tmp_path / "c")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(EncoderError, match=r"model.safetensors: is not a whole .safetensors file"):
        write_encoder(str(folder), tmp_path / "e.tflite")


def test_open_clip_s_weights_are_read_by_the_name_of_their_shape(checkpoints, tmp_path, monkeypatch):
    folder = copy(checkpoints["open_clip"], tmp_path / "c")
    model = json.loads((folder / "open_clip_config.json").read_text())
    (folder / "open_clip_config.json").unlink()
    file = folder / "open_clip_model.safetensors"
    (tmp_path / "tiny.json").write_text(json.dumps(model["model_cfg"]))
    info = write_encoder(f"open_clip:{tmp_path / 'tiny.json'}={file}", tmp_path / "e.tflite", weights="float32")
    assert info.source == "open_clip:tiny.json=open_clip_model.safetensors"
    texts, pictures = embeddings(tmp_path / "e.tflite")
    reference = np.load(REFERENCES / "open_clip.npz")
    np.testing.assert_allclose(texts, reference["text"], atol=1e-5)
    np.testing.assert_allclose(pictures, reference["image"], atol=1e-5)
    with pytest.raises(EncoderError, match=r"open_clip:ViT-Z: unknown name, expected one of ViT-B-32"):
        write_encoder(f"open_clip:ViT-Z={file}", tmp_path / "e.tflite")
    with pytest.raises(EncoderError, match=r"shape \[32, 3, 8, 8\], expected \[768, 3, 32, 32\]"):
        write_encoder(f"open_clip:ViT-B-32={file}", tmp_path / "e.tflite")


def test_old_tokenizer_files_give_the_ids_of_tokenizer_json(checkpoints, tmp_path):
    parts = json.loads((checkpoints["clip"] / "tokenizer.json").read_text())["model"]
    folder = copy(checkpoints["clip"], tmp_path / "c")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(parts["vocab"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in parts["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    write_encoder(str(folder), tmp_path / "e.tflite", weights="float32")
    texts, _ = embeddings(tmp_path / "e.tflite")
    np.testing.assert_allclose(texts, np.load(REFERENCES / "clip.npz")["text"], atol=1e-5)


def test_the_licence_and_the_source_travel_and_research_weights_are_said_loudly(checkpoints, tmp_path, capsys):
    folder = copy(checkpoints["clip"], tmp_path / "mobile")
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: apple-amlr\n---\n# A model\n")
    info = write_encoder(str(folder), tmp_path / "e.tflite")
    assert (info.license, info.restricted, info.source, info.family) == ("apple-amlr", True, "mobile", "clip")
    assert "WARNING: the weights of mobile are for research or other non-commercial use only (apple-amlr)" in capsys.readouterr().err
    described = embedder_manifest(tmp_path / "e.tflite")
    assert described.encoders["image"]["checkpoint"]["license"] == "apple-amlr"
    assert described.query["image"]["resize"] == "pillow_bicubic"
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    assert not write_encoder(str(folder), tmp_path / "e.tflite").restricted
    assert "WARNING" not in capsys.readouterr().err


def test_pictures_are_found_by_sentences_without_captions(checkpoints, photos, tmp_path):
    encoder, items, searcher = tmp_path / "e.tflite", tmp_path / "items.npy", tmp_path / "s.tflite"
    write_encoder(str(checkpoints["clip"]), encoder)
    assert main(["embed", str(encoder), str(photos), "--kind", "image", "--output", str(items)]) == 0
    given = ["--embeddings", str(items), "--metadata", str(items.with_suffix(".txt")), "--embedder", str(encoder)]
    assert main(["index", *given, "--output", str(searcher)]) == 0
    assert main(["search", str(searcher), "a photo of a cat"]) == 0


def test_a_sentence_encoder_is_a_text_tower_to_train_on(checkpoints, tmp_path):
    with Workspace.open(tmp_path / "work") as work:
        tower = open_text_tower(f"checkpoint:{checkpoints['bert']}", TextModelOptions(), work, [])
        assert tower is not None
        features = tower.features(files.TEXTS[:2], work)
        found = np.array([features.values[features.rows[text]] for text in files.TEXTS[:2]])
        assert (found * np.load(REFERENCES / "bert.npz")["text"][:2]).sum(1).min() > 0.999  # int8 weights
        clip = open_text_tower(f"words+checkpoint:{checkpoints['clip']}", TextModelOptions(), work, [], "second.tflite")
        assert clip is not None
        assert (clip.with_words, clip.tower.dimension) == (True, files.DIMENSION)
        with pytest.raises(EncoderError, match="has its own; leave out --tokenizer"):
            open_text_tower("hf:a/b", TextModelOptions(tokenizer=Path("vocab.txt")), work, [])


def test_the_card_of_a_searcher_names_source_and_terms(checkpoints, photos, tmp_path):
    folder = copy(checkpoints["clip"], tmp_path / "mobile")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    encoder, items, searcher = tmp_path / "e.tflite", tmp_path / "items.npy", tmp_path / "s.tflite"
    write_encoder(str(folder), encoder)
    assert main(["embed", str(encoder), str(photos), "--kind", "image", "--output", str(items)]) == 0
    given = ["--embeddings", str(items), "--metadata", str(items.with_suffix(".txt")), "--embedder", str(encoder)]
    assert main(["index", *given, "--output", str(searcher)]) == 0
    card = model_card(embedder_manifest(searcher), CardFields(), "mine")
    assert "| Text encoder | mobile (clip, int8 weights), licence: cc-by-nc-4.0 |" in card
    assert "**For research or other non-commercial use only.** The weights come from mobile (cc-by-nc-4.0)" in card


def test_items_that_change_places_within_the_tolerance_are_no_difference():
    wanted = {"a": -0.9, "b": -0.8, "c": -0.7}
    assert golden.furthest(wanted, wanted) == 0
    assert golden.furthest(wanted, {"b": -0.83, "a": -0.87, "d": -0.71}) == pytest.approx(0.03)
    assert golden.furthest(wanted, {"a": -0.9, "d": -0.85, "b": -0.8}) == pytest.approx(0.15)  # d pushed c out


def test_golden_answers_of_int8_encoders_have_a_tolerance(checkpoints, photos, tmp_path):
    encoder, items = tmp_path / "e.tflite", tmp_path / "items.npy"
    for weights, tolerance in (("int8", 1e-2), ("float32", None)):
        write_encoder(str(checkpoints["clip"]), encoder, weights=weights)
        assert main(["embed", str(encoder), str(photos), "--kind", "image", "--output", str(items), "--overwrite"]) == 0
        given = ["--embeddings", str(items), "--metadata", str(items.with_suffix(".txt")), "--embedder", str(encoder), "--overwrite"]
        assert main(["index", *given, "--output", str(tmp_path / "s.tflite")]) == 0
        entries = embedder_manifest(tmp_path / "s.tflite").golden
        assert {entry.get("tolerance") for entry in entries if entry["signature"] != "search_embedding"} == {tolerance}
        assert not any("tolerance" in entry for entry in entries if entry["signature"] == "search_embedding")


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_linear_layer_and_a_table_keep_their_values(tmp_path, weights):
    random = np.random.default_rng(0)
    rows, bias, x = (random.standard_normal(shape).astype(np.float32) for shape in ((48, 64), (48,), (3, 64)))
    rows *= np.geomspace(0.01, 10, 48, dtype=np.float32)[:, None]  # one scale for all would lose the first rows
    layer, table, model = Linear(rows, bias, weights), Table(rows, weights), Model("test")
    g = model.subgraph("both")
    query, numbers = g.tensor("query", x.shape, np.float32), g.tensor("numbers", (3,), np.int32)
    outputs = {"product": layer.write(g, query), "row": table.write(g, numbers)}
    model.signature(g, {"query": query, "numbers": numbers}, outputs)
    model.write(tmp_path / "m.tflite")
    options = BaseOptions(str(tmp_path / "m.tflite"), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        found = runners.run("both", {"query": x, "numbers": np.array([0, 20, 47], np.int32)})
        runners.close()
    apart = {"float32": 1e-5, "float16": 1e-3, "int8": 2e-2}[weights]
    scale = np.linalg.norm(rows, axis=1)
    assert (np.abs(found["product"] - (x @ rows.T + bias)) / scale / 8).max() < apart
    assert (np.abs(found["row"] - rows[[0, 20, 47]]) / scale[[0, 20, 47], None]).max() < apart
