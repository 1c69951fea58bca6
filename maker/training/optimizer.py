"""AdamW with clipped gradients, and Muon for convolutions, under a cosine schedule with warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from maker.training.options import TrainingOptions

FINAL_RATE = 0.02  # of the peak
CLIP_NORM = 5.0
KERNEL_RATE = 7.0  # learning rate of Muon, in learning rates of AdamW
KERNEL_MOMENTUM = 0.6
ORTHOGONAL_STEPS = 4
ORTHOGONAL = 3.4445, -4.7750, 2.0315  # coefficients of X, X X^T X and (X X^T)^2 X


def schedule(options: TrainingOptions, steps: int) -> Any:
    """The learning rate by step, with `steps` per epoch."""
    total, warm_up = options.epochs * steps, max(1, int(options.warm_up_epochs * steps))
    return tf.keras.optimizers.schedules.CosineDecay(
        0.0, max(1, total - warm_up), alpha=FINAL_RATE, warmup_target=options.learning_rate, warmup_steps=warm_up
    )


class Optimizer:
    """AdamW with weight decay for some variables, and Muon for the kernels of convolutions.

    Muon moves a kernel along its orthogonalised momentum (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon). A kernel
    with `out` outputs gets the norm `sqrt(out)`; batch normalisation behind it makes norms irrelevant.

    Attributes:
        variables: The state that a checkpoint has to hold.
    """

    def __init__(
        self, rate: Any, weight_decay: float, trained: Sequence[tf.Variable], decayed: Sequence[tf.Variable], kernels: Sequence[tf.Variable]
    ) -> None:
        """Takes a schedule, and of the variables `trained` those with weight decay and those that Muon moves."""
        self._rate = rate
        self._is_kernel = [any(v is kernel for kernel in kernels) for v in trained]
        self._kernels = [v for v, is_kernel in zip(trained, self._is_kernel, strict=True) if is_kernel]
        self._momenta = [tf.Variable(tf.zeros_like(v)) for v in self._kernels]
        others = [v for v, is_kernel in zip(trained, self._is_kernel, strict=True) if not is_kernel]
        decays = {id(v) for v in decayed}
        self._adamw = tf.keras.optimizers.AdamW(rate, weight_decay=weight_decay, global_clipnorm=CLIP_NORM)
        self._adamw.exclude_from_weight_decay(var_list=[v for v in others if id(v) not in decays])
        self._adamw.build(others)
        self._others = others
        self.variables: list[tf.Variable] = [*self._adamw.variables, *self._momenta]

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Moves the trained variables; gradients are in their order."""
        of_kernels = [g for g, is_kernel in zip(gradients, self._is_kernel, strict=True) if is_kernel]
        of_others = [g for g, is_kernel in zip(gradients, self._is_kernel, strict=True) if not is_kernel]
        rate = KERNEL_RATE * self._rate(self._adamw.iterations)
        self._adamw.apply_gradients(list(zip(of_others, self._others, strict=True)))
        for kernel, gradient, momentum in zip(self._kernels, of_kernels, self._momenta, strict=True):
            momentum.assign(KERNEL_MOMENTUM * momentum + gradient)
            moved = kernel - rate * orthogonalised(gradient + KERNEL_MOMENTUM * momentum)
            kernel.assign(moved * float(kernel.shape[-1]) ** 0.5 / tf.norm(moved))


def orthogonalised(gradient: tf.Tensor) -> tf.Tensor:
    """A kernel `[..., out]`, as a matrix with `out` columns, with singular values of about 1, by Newton-Schulz iteration."""
    first, third, fifth = ORTHOGONAL
    x = tf.reshape(gradient, [-1, gradient.shape[-1]])
    is_tall = x.shape[0] > x.shape[1]
    x = tf.transpose(x) if is_tall else x
    x /= tf.norm(x) + 1e-7
    for _ in range(ORTHOGONAL_STEPS):
        square = tf.matmul(x, x, transpose_b=True)
        x = first * x + tf.matmul(third * square + fifth * tf.matmul(square, square), x)
    return tf.reshape(tf.transpose(x) if is_tall else x, tf.shape(gradient))
