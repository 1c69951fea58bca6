"""One batch over several devices or hosts (`tf.distribute`): the steps of one device, but for the noise of dropout and for rounding."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf

from maker.errors import TrainingError


class Replicas:
    """The devices that share a batch.

    Attributes:
        count: How many there are, over all hosts.
        local: Their numbers on this host.
        host: This host's number; 0 is the chief.
        hosts: How many there are.
    """

    def __init__(self, how: str = "none") -> None:
        """Takes `none`, `mirrored` (all GPUs of this host) or `multi_worker` (the hosts that TF_CONFIG lists).

        With `multi_worker` it must be made before TensorFlow runs anything, and waits for the other hosts.

        Raises:
            TrainingError: TF_CONFIG is missing or is no cluster of workers.
        """
        self.host, self.hosts = task() if how == "multi_worker" else (0, 1)
        if how == "none":
            self._strategy = tf.distribute.get_strategy()
        elif how == "mirrored":
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            self._strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        else:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self.count: int = self._strategy.num_replicas_in_sync
        self.local: list[int] = []
        if self.count == 1:
            self.local.append(0)
        else:
            self._strategy.experimental_distribute_values_from_function(self._note)

    def _note(self, context: Any) -> tf.Tensor:
        self.local.append(context.replica_id_in_sync_group)
        return tf.constant(0)

    @property
    def is_chief(self) -> bool:
        """Whether this host writes what comes of it."""
        return self.host == 0

    def scope(self) -> AbstractContextManager[Any]:
        """Within it variables are made that all replicas hold."""
        return self._strategy.scope()

    def distribute(self, values: dict[int, np.ndarray]) -> Any:
        """An argument of `run`: for each local replica its value."""
        if self.count == 1:
            return tf.constant(values[0])
        return self._strategy.experimental_distribute_values_from_function(lambda c: tf.constant(values[c.replica_id_in_sync_group]))

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Calls a function on every replica, which must return the same tensors on each, and returns those."""
        if self.count == 1:
            return function(*arguments)
        results = self._strategy.run(function, arguments)
        return tf.nest.map_structure(lambda value: self._strategy.experimental_local_results(value)[0], results)

    def number(self) -> tf.Tensor:
        """Within `run`: the replica's number."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """Within `run`: the rows of all replicas, in their order. Its gradient is the sum of all replicas'."""
        return values if self.count == 1 else tf.distribute.get_replica_context().all_gather(values, 0)

    def sum(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Within `run`: the sums over all replicas."""
        if self.count == 1:
            return list(values)
        context = tf.distribute.get_replica_context()
        return [context.all_reduce(tf.distribute.ReduceOp.SUM, tf.convert_to_tensor(v)) for v in values]

    def from_chief(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The chief's values on every host, which must all give arrays of the same shapes and types."""
        if self.hosts == 1:
            return list(values)
        parts = [self.distribute({i: value if i == 0 else np.zeros_like(value) for i in self.local}) for value in values]

        @tf.function
        def totals(*given: Any) -> Any:
            # Inputs of a graph lie on no device yet, which the sum asks for.
            return self.run(lambda *own: self.sum([tf.identity(part) for part in own]), given)

        return [total.numpy() for total in totals(*parts)]

    def text_from_chief(self, text: str) -> str:
        """The chief's text on every host."""
        if self.hosts == 1:
            return text
        content = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        (length,) = self.from_chief([np.array(len(content), np.int32)])
        (shared,) = self.from_chief([content if self.is_chief else np.zeros(int(length), np.int32)])
        return bytes(shared.astype(np.uint8)).decode()


def task() -> tuple[int, int]:
    """This host's number and how many there are, of the variable TF_CONFIG.

    Raises:
        TrainingError: It is missing or is no cluster of workers.
    """
    expected = 'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
    given = os.environ.get("TF_CONFIG")
    if not given:
        raise TrainingError(f"--distribute multi_worker: the environment variable TF_CONFIG is not set; {expected}")
    try:
        config = json.loads(given)
        workers, kind, index = config["cluster"]["worker"], config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"TF_CONFIG: cannot be understood ({error}); {expected}") from error
    if kind != "worker" or set(config["cluster"]) != {"worker"} or not 0 <= index < len(workers):
        raise TrainingError(f"TF_CONFIG: task {kind} {index} of {', '.join(config['cluster'])}; {expected}")
    return index, len(workers)
