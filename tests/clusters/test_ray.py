"""Shards on a Ray cluster of three nodes: the files of a local run, although two nodes are killed."""

from __future__ import annotations

import os
import shutil
from functools import partial

import numpy as np
import pytest

from maker import Collection, embedder
from maker.cli import main
from maker.collection.ray_engine import Ray
from maker.errors import DataError
from maker.pipeline import embed_shards
from task.text import TextSearcher

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]', as make test-ray does")
pytestmark = pytest.mark.slow

from tests.clusters.cluster import cluster, digests, draw_shards, memory_of_driver, run_and  # noqa: E402
from tests.documents.files import write_image_model, write_photos  # noqa: E402
from tests.documents.pages import ROOT, blocks  # noqa: E402
from tests.test_documents import run_block  # noqa: E402

PAGES = ("docs/guide/collections.md", "docs/guide/coming-from.md")
SHARDS, PICTURES = 40, int(os.environ.get("PICTURES", "2000"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray") / "pictures"
    draw_shards(folder, SHARDS, PICTURES // SHARDS)
    return folder


@pytest.fixture(scope="module")
def nodes():
    with cluster(3) as running:
        yield running


def test_two_killed_nodes_cost_their_unfinished_shards_only(shards, nodes, encoder, tmp_path):
    (line,) = embed_shards(encoder, shards, tmp_path / "local")
    assert line == f"{tmp_path / 'local'}: {PICTURES - SHARDS} embeddings of 16 dimensions in 40 shards, {SHARDS} rejected " + (
        "(their reasons are in the .parquet files)"
    )

    with memory_of_driver() as memory:
        embedding = partial(embed_shards, encoder, shards, tmp_path / "ray", engine=Ray())
        killed = run_and(embedding, tmp_path / "ray", {5: nodes.kill, 20: nodes.kill})
    nodes.add()
    nodes.add()
    assert len(killed) == 2
    assert digests(tmp_path / "ray") == digests(tmp_path / "local")
    assert len(digests(tmp_path / "ray")) == 2 * SHARDS
    assert max(memory) - memory[0] < 100e6
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "ray").glob("*.npy")}
    (tmp_path / "ray" / "pictures-00007.npy").unlink()
    arguments = ["embed", str(encoder), f"{shards}/*.tar", "--kind", "image", "--output", str(tmp_path / "ray")]
    assert main([*arguments, "--engine", "ray", "--workers", "2"]) == 0
    changed = {path.name for path in (tmp_path / "ray").glob("*.npy") if path.stat().st_mtime_ns != written[path.name]}
    assert changed == {"pictures-00007.npy"}
    assert digests(tmp_path / "ray") == digests(tmp_path / "local")


def test_lambdas_and_pictures_go_through_ray_in_order(nodes, shards, encoder):
    rows = Collection.from_webdataset(f"{shards}/*-0000[01].tar").embed(embedder(encoder)).map(lambda row: row["embedding"][:2])
    here, there = rows.engine(workers=1).to_list(), rows.engine("ray", workers=2).to_list()
    assert len(here) == len(there) == 2 * PICTURES // SHARDS
    for one, other in zip(here, there, strict=True):
        assert one.get("reason") == other.get("reason")
        assert np.array_equal(one.get("item"), other.get("item"))


def test_a_shard_that_kills_every_actor_ends_the_run_with_its_name(nodes):
    with pytest.raises(DataError, match="5 Ray actors were lost with part-000001"):
        Collection.from_list([1, 2, 3], shard_size=1).filter(lambda row: row["item"] != 2 or os._exit(1)).engine("ray").to_list()


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_that_need_ray_work(page, nodes, encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", tmp_path / "captions.tsv")
    shutil.copy(encoder, tmp_path / "searcher.tflite")
    ran = [run_block(block, {}, capsys) for block in blocks(ROOT / page) if block.target == "test-ray"]
    assert len(ran) == 1


def test_ray_starts_the_hosts_of_a_training(nodes, photos, tmp_path, capsys):
    output = tmp_path / "trained.tflite"
    arguments = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--image-encoder", "scratch", "--no-report"]
    arguments += ["--epochs", "2", "--batch-size", "8", "--dimension", "16", "--min-steps", "0", "--output", str(output)]
    status = main([*arguments, "--distribute", "multi_worker", "--engine", "ray", "--workers", "2"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert "24 read and indexed" in printed.out
    assert (tmp_path / "trained.work" / "worker-1").is_dir()
    with TextSearcher.create_from_file(str(output)) as searcher:
        assert searcher.items == 24


def test_the_features_of_a_build_on_ray_are_those_of_a_local_one(nodes, photos, tmp_path):
    write_image_model(tmp_path / "model.tflite", "features")
    arguments = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--no-report", "--epochs", "1"]
    arguments += ["--image-encoder", f"tflite:{tmp_path / 'model.tflite'}", "--batch-size", "8", "--dimension", "16"]
    features = []
    for engine in ("local", "ray"):
        (tmp_path / engine).mkdir()
        assert main([*arguments, "--output", str(tmp_path / engine / "s.tflite"), "--engine", engine, "--workers", "2"]) == 0
        features.append([path.read_bytes() for path in sorted((tmp_path / engine / "s.work" / "features").rglob("features.npy"))])
    assert features[0] == features[1] != []
