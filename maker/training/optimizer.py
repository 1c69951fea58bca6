"""AdamW with clipped gradients, under a cosine schedule with warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from maker.training.options import TrainingOptions

FINAL_RATE = 0.02  # of the peak
CLIP_NORM = 5.0


def schedule(options: TrainingOptions, steps: int) -> Any:
    """The learning rate by step, with `steps` per epoch."""
    total, warm_up = options.epochs * steps, max(1, int(options.warm_up_epochs * steps))
    return tf.keras.optimizers.schedules.CosineDecay(
        0.0, max(1, total - warm_up), alpha=FINAL_RATE, warmup_target=options.learning_rate, warmup_steps=warm_up
    )


def adamw(rate: Any, weight_decay: float, trained: Sequence[tf.Variable], decayed: Sequence[tf.Variable]) -> Any:
    """AdamW over the variables `trained`, with weight decay for those in `decayed`."""
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=weight_decay, global_clipnorm=CLIP_NORM)
    decays = {id(v) for v in decayed}
    optimizer.exclude_from_weight_decay(var_list=[v for v in trained if id(v) not in decays])
    optimizer.build(list(trained))
    return optimizer
