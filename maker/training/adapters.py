"""Adapters of ready towers: a matrix behind each, trained from the identity. NumPy alone, since only two matrices are trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.training.metrics import ranks

EPOCHS, BATCH, RATE, DECAY, PATIENCE = 20, 512, 5e-4, 0.05, 4
SCALES = (5.0, 10.0, 20.0, 50.0, 100.0)  # of the logits; the one with the least loss is the first
SCALE_RATE = 0.01
BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Pairs:
    """Captions and the images that they describe.

    Attributes:
        texts: `(n, d)` float32, norm 1.
        images: `(m, d)` float32, norm 1.
        targets: `(n,)` the image of each caption.
    """

    texts: np.ndarray
    images: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Adapters:
    """Matrices behind the towers.

    Attributes:
        text, image: `(d, d)` float32; the identity if training made nothing better.
        history: One entry per epoch with `epoch` and the R@10 on the held-out captions; epoch 0 is without adapters.
    """

    text: np.ndarray
    image: np.ndarray
    history: list[dict[str, float]]

    @property
    def kept(self) -> bool:
        """Whether training made the towers better."""
        return self.best["epoch"] > 0

    @property
    def best(self) -> dict[str, float]:
        """The entry of the epoch that is kept; the first of equal ones."""
        return max(self.history, key=lambda entry: entry["R@10"])


def train_adapters(pairs: Pairs, held_out: Pairs, seed: int) -> Adapters:
    """Trains adapters by a symmetric InfoNCE loss with AdamW, whose decay pulls them to the identity.

    The epoch with the best R@10 on the held-out captions is kept. Epoch 0, the towers as they are, takes part: the result is never worse.

    Args:
        pairs: What to train on; each image in an epoch comes with one of its captions.
        held_out: What decides.
        seed: Seed of the order and of the choice of captions.
    """
    rng, identity = np.random.default_rng(seed), np.eye(pairs.texts.shape[1], dtype=np.float32)
    sides = _Side(identity), _Side(identity)
    captions_of = [np.flatnonzero(pairs.targets == image) for image in np.unique(pairs.targets)]
    scale = min(SCALES, key=lambda value: _loss(pairs, captions_of, value))
    history: list[dict[str, float]] = [{"epoch": 0, "R@10": _recall(held_out, identity, identity)}]
    best = identity, identity
    steps = EPOCHS * -(-len(captions_of) // BATCH)
    for epoch in range(1, EPOCHS + 1):
        for texts in np.array_split(_one_caption_each(captions_of, rng), -(-len(captions_of) // BATCH)):
            done = sides[0].steps / steps
            rate = RATE * 0.5 * (1 + np.cos(np.pi * done))
            scale = _step(sides, pairs.texts[texts], pairs.images[pairs.targets[texts]], scale, rate)
        history.append({"epoch": epoch, "R@10": _recall(held_out, sides[0].matrix, sides[1].matrix)})
        if history[-1]["R@10"] > max(entry["R@10"] for entry in history[:-1]):
            best = sides[0].matrix.copy(), sides[1].matrix.copy()
        elif epoch - Adapters(*best, history).best["epoch"] >= PATIENCE:
            break
    return Adapters(*best, history)


class _Side:
    """The matrix of one tower and the state of its optimiser."""

    def __init__(self, identity: np.ndarray) -> None:
        self.matrix, self._identity = identity.copy(), identity
        self._mean, self._square = np.zeros_like(identity), np.zeros_like(identity)
        self.steps = 0

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of norm 1, and the norms `(n, 1)` before."""
        made = x @ self.matrix
        norms = np.maximum(np.linalg.norm(made, axis=1, keepdims=True), EPSILON)  # a sentence without known words has 0
        return made / norms, norms

    def update(self, gradient: np.ndarray, rate: float) -> None:
        """A step of AdamW (Loshchilov, Hutter, 2019)."""
        self.steps += 1
        self._mean += (1 - BETAS[0]) * (gradient - self._mean)
        self._square += (1 - BETAS[1]) * (gradient**2 - self._square)
        mean = self._mean / (1 - BETAS[0] ** self.steps)
        square = self._square / (1 - BETAS[1] ** self.steps)
        self.matrix -= np.float32(rate) * (mean / (np.sqrt(square) + EPSILON)) + np.float32(rate * DECAY) * (self.matrix - self._identity)


def _step(sides: tuple[_Side, _Side], texts: np.ndarray, images: np.ndarray, scale: float, rate: float) -> float:
    """One step on a batch; returns the next scale of the logits."""
    (u, u_norms), (v, v_norms) = sides[0].forward(texts), sides[1].forward(images)
    similarity = u @ v.T
    wrong = _softmax(scale * similarity) + _softmax(scale * similarity.T).T
    wrong = (wrong - 2 * np.eye(len(u), dtype=np.float32)) / (2 * len(u))
    for side, x, made, norms, gradient in (
        (sides[0], texts, u, u_norms, scale * (wrong @ v)),
        (sides[1], images, v, v_norms, scale * (wrong.T @ u)),
    ):
        inner = (gradient - made * (gradient * made).sum(1, keepdims=True)) / norms
        side.update(x.T @ inner, rate)
    return float(scale * np.exp(-SCALE_RATE * np.sign((wrong * similarity).sum())))


def _softmax(logits: np.ndarray) -> np.ndarray:
    made = np.exp(logits - logits.max(1, keepdims=True))
    return made / made.sum(1, keepdims=True)


def _loss(pairs: Pairs, captions_of: list[np.ndarray], scale: float) -> float:
    """The loss without adapters, on as many images as a batch has."""
    texts = _one_caption_each(captions_of[:BATCH], np.random.default_rng(0))
    shares = _softmax(scale * pairs.texts[texts] @ pairs.images[pairs.targets[texts]].T)
    return float(-np.log(np.maximum(np.diag(shares), 1e-30)).mean())


def _one_caption_each(captions_of: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A random caption of each image, in random order."""
    return rng.permutation(np.array([rng.choice(captions) for captions in captions_of]))


def _recall(pairs: Pairs, text: np.ndarray, image: np.ndarray) -> float:
    """R@10 in percent."""
    texts, images = pairs.texts @ text, pairs.images @ image
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    return round(100 * float((ranks(texts, images, pairs.targets) < 10).mean()), 2)
