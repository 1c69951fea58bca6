"""A training run as a process: killed and resumed, in mixed precision, and what it leaves to look at."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_training import small_run

KILLED = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from test_training import small_run
from maker.training import loop

drawn = loop.batches
epochs = []

def killed(*arguments):
    epochs.append(1)
    for number, batch in enumerate(drawn(*arguments)):
        if len(epochs) == 3 and number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch

loop.batches = killed
small_run(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """History, texts and images of a run in one go, and its log."""
    events = tmp_path_factory.mktemp("unbroken") / "events"
    return *small_run(events=events), events


def test_a_run_killed_in_mid_epoch_ends_as_an_unbroken_one(unbroken, tmp_path, monkeypatch):
    from maker.training import loop

    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "run.npz", Path(__file__).parent], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
    trained = []
    drawn = loop.batches
    monkeypatch.setattr(loop, "batches", lambda *arguments: trained.append(1) or drawn(*arguments))
    history, texts, images = small_run(tmp_path / "run.npz")
    assert len(trained) == 3  # of five epochs two were kept
    assert history == unbroken[0]
    assert np.array_equal(texts, unbroken[1])
    assert np.array_equal(images, unbroken[2])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_what_full_precision_does(unbroken, monkeypatch, policy):
    from maker.training import loop

    full = unbroken[0]
    monkeypatch.setattr(loop, "policy", lambda mixed: policy)  # a CPU would take bfloat16
    mixed = small_run(precision=policy)[0]
    assert mixed[-1]["loss"] != full[-1]["loss"]
    assert mixed[-1]["loss"] == pytest.approx(full[-1]["loss"], rel=0.1)  # float16 leaves out its first steps, which overflow
    assert mixed[-1]["R@10"] == pytest.approx(full[-1]["R@10"], abs=2)


def test_gradients_that_overflow_are_left_out_and_the_scale_is_halved():
    import tensorflow as tf

    from maker.training.precision import FIRST_SCALE, LossScale

    scale = LossScale("mixed_float16")
    assert float(scale.up(tf.constant(1.0))) == FIRST_SCALE
    (fine,) = scale.down([tf.constant([FIRST_SCALE, 0.0])])
    assert fine.numpy().tolist() == [1.0, 0.0]
    bad = scale.down([tf.constant([np.inf]), tf.constant([1.0])])
    assert [g.numpy().tolist() for g in bad] == [[0.0], [0.0]]
    assert float(scale.up(tf.constant(1.0))) == FIRST_SCALE / 2
    assert not LossScale("mixed_bfloat16").variables


def test_a_network_computes_in_16_bits_only_while_it_is_trained():
    import tensorflow as tf

    from maker.training.image_side import CNN_SIZE, ScratchCnn

    pixels = np.random.default_rng(0).integers(0, 256, (4, CNN_SIZE, CNN_SIZE, 3)).astype(np.uint8)
    side = ScratchCnn(pixels, 8, "none", "mixed_bfloat16")
    images, before = tf.range(4), side.forward(tf.range(4)).numpy()
    statistics = [v.numpy() for v in side.untrained]
    trained = side.forward(images, tf.constant([0, 1]))
    assert trained.dtype == tf.float32
    assert all(v.dtype == tf.float32 for v in side.variables)
    for variable, value in zip(side.untrained, statistics, strict=True):
        variable.assign(value)
    assert np.array_equal(side.forward(images), before)
    tf.keras.utils.set_random_seed(0)
    exact = ScratchCnn(pixels, 8, "none")
    for mine, theirs in zip(exact.variables, side.variables, strict=True):
        mine.assign(theirs)
    full = exact.forward(images, tf.constant([0, 1])).numpy()
    assert not np.array_equal(full, trained)
    assert np.allclose(full, trained, atol=0.05)


def test_epochs_are_logged_for_tensorboard_and_drawn(unbroken, tmp_path):
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from maker.evaluation.training_curves import draw_training_curves

    history, _, _, events = unbroken
    log = EventAccumulator(str(events), {"tensors": 0}).Reload()
    assert {"loss", "learning_rate", "temperature", "R@10", "loss by step"} <= set(log.Tags()["tensors"])
    assert [event.step for event in log.Tensors("R@10")] == [1, 2, 3, 4, 5]
    values = [float(tf.make_ndarray(event.tensor_proto)) for event in log.Tensors("R@10")]
    assert values == pytest.approx([entry["R@10"] for entry in history])
    rates = [entry["learning_rate"] for entry in history]  # warm-up in the first epoch, then a cosine to 2 %
    assert rates[0] == 1e-2
    assert sorted(rates, reverse=True) == rates
    assert rates[-1] == pytest.approx(2e-4, rel=0.01)
    assert [event.step for event in log.Tensors("loss by step")] == list(range(25))
    draw_training_curves(tmp_path / "curves.png", history, unfreeze_from=3)
    with Image.open(tmp_path / "curves.png") as drawn:
        assert drawn.size == (1200, 360)
        assert len(drawn.getcolors(1 << 20)) > 50
    draw_training_curves(tmp_path / "unmeasured.png", [{"epoch": 1, "loss": 2.0, "learning_rate": 1e-3}])
