"""One training run over several devices or hosts: it ends as on a single one, and only the chief writes."""

import ast
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from maker.errors import TrainingError

RUN = """
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.training import head, train
from maker.training.image_side import FrozenFeatures, embed
from maker.training.loop import Run, EncodedSplit, fit
from maker.training.options import TrainingOptions
from maker.training.replicas import Replicas
from maker.training.text_side import TextSide
from maker.training.vocabulary import CaptionRows, build_vocabulary

how, folder = sys.argv[1], Path(sys.argv[2])
if how == "mirrored":
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
head.HEAD_DROPOUT = 0.0  # each replica draws its own noise
replicas = Replicas(how)
train._seed(3)
topics = np.arange(80) % 4
features = (4 * np.eye(4, 12)[topics] + np.random.default_rng(1).standard_normal((80, 12))).astype(np.float32)
images = np.r_[0, 0, np.arange(80)]  # an image with three captions among those with one
size = TokenizerSize(max_bytes=64, max_characters=48, max_units=12, max_grams=12, gram_rows=64)
tokens = tokenize([f"a {['red', 'green', 'blue', 'white'][topics[i]]} thing" for i in images], size)
captions = CaptionRows(tokens, build_vocabulary(tokens, 2, 0, size))
side = EncodedSplit(captions, images)
options = TrainingOptions(epochs=4, batch_size=16, captions_per_image=3, learning_rate=1e-2, dimension=8, seed=3, patience=9)
ends = []
for _ in range(2):  # the second run takes the first one's checkpoint, which only the chief has
    with replicas.scope():
        text, image = TextSide(captions._vocabulary, 8, 0.0, 3), FrozenFeatures(features, head.Head(12, 8, 0.0, 3, None))
    run = Run(folder / f"run-{replicas.host}.npz", folder / f"events-{replicas.host}", replicas)
    history = fit(text, image, side, side, options, run)
    ends.append((text.embed(captions.rows()), embed(image, np.arange(80))))
assert all(np.array_equal(a, b) for a, b in zip(*ends))
np.savez(folder / f"done-{replicas.host}.npz", replicas=replicas.count, history=str(history), texts=ends[0][0], images=ends[0][1])
"""


def start(command, index=None, addresses=()):
    config = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
    environment = {**os.environ, **({} if index is None else {"TF_CONFIG": config})}
    return subprocess.Popen([*map(str, command)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_hosts(command, count=2):
    """Starts a command on several hosts, each of which is a process here."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return [start(command, index, addresses) for index in range(count)]


def finish(processes):
    """What the processes print."""
    outputs = [process.communicate(timeout=500) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [printed for printed, _ in outputs]


def read(path):
    with np.load(path) as stored:
        return int(stored["replicas"]), ast.literal_eval(str(stored["history"])), stored["texts"], stored["images"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    finish([start([sys.executable, "-c", RUN, "none", folder])])
    return read(folder / "done-0.npz")


@pytest.mark.parametrize("how", ["multi_worker", pytest.param("mirrored", marks=pytest.mark.slow)])
def test_a_shared_batch_trains_as_the_same_batch_alone(alone, tmp_path, how):
    command = [sys.executable, "-c", RUN, how, tmp_path]
    finish(start_hosts(command) if how == "multi_worker" else [start(command)])
    _, history, texts, images = alone
    ends = sorted(tmp_path.glob("done-*"))
    assert len(ends) == (2 if how == "multi_worker" else 1)
    for end in ends:
        replicas, shared, their_texts, their_images = read(end)
        assert replicas == 2
        assert [entry["loss"] for entry in shared] == pytest.approx([entry["loss"] for entry in history], abs=1e-3)
        assert np.abs(their_texts - texts).max() < 0.01
        assert np.abs(their_images - images).max() < 0.01
    assert {path.name for path in tmp_path.iterdir()} - {end.name for end in ends} == {"run-0.npz", "events-0"}  # the chief's


@pytest.mark.slow
def test_a_build_on_two_hosts_is_written_by_the_chief(photos, tmp_path):
    output = tmp_path / "searcher.tflite"
    command = [sys.executable, "-m", "maker.cli", "build", "--images", photos, "--captions", photos / "captions.tsv", "--output", output]
    chief, worker = finish(start_hosts([*command, "--epochs", "2", "--batch-size", "8", "--distribute", "multi_worker"]))
    assert "golden queries" in chief
    assert worker.strip().endswith("writes the searcher")
    assert output.exists()
    assert not list((output.with_suffix(".work") / "worker-1").glob("encoder-*"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "TF_CONFIG is not set"),
        ("{", "cannot be read"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "task worker 1 of worker"),
    ],
)
def test_a_cluster_that_is_none_is_named(monkeypatch, config, message):
    from maker.training.replicas import task

    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(TrainingError, match=message):
        task()
