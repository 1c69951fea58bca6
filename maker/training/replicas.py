"""Splits each batch over several devices or hosts (`tf.distribute`).

A step has the same result as on one device, except for the noise of dropout and for rounding.
"""

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
        count: Number of devices on all hosts.
        local: Numbers of the devices on this host.
        host: Number of this host; 0 is the chief.
        hosts: Number of hosts.
    """

    def __init__(self, strategy: str = "none") -> None:
        """Takes `none`, `mirrored` (all GPUs of this host) or `multi_worker` (the hosts that TF_CONFIG lists).

        `multi_worker` waits for the other hosts. It must be created before TensorFlow runs anything.

        Raises:
            TrainingError: TF_CONFIG is missing or does not describe a cluster of workers.
        """
        self.host, self.hosts = task() if strategy == "multi_worker" else (0, 1)
        if strategy == "none":
            self._strategy = tf.distribute.get_strategy()
        elif strategy == "mirrored":
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
        """Whether this host writes the results."""
        return self.host == 0

    def scope(self) -> AbstractContextManager[Any]:
        """A context in which variables are created on all replicas."""
        return self._strategy.scope()

    def distribute(self, values: dict[int, np.ndarray]) -> Any:
        """An argument of `run`, from the value of each local replica."""
        if self.count == 1:
            return tf.constant(values[0])
        return self._strategy.experimental_distribute_values_from_function(lambda c: tf.constant(values[c.replica_id_in_sync_group]))

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Calls a function on every replica. It must return the same tensors on each; these are returned."""
        if self.count == 1:
            return function(*arguments)
        results = self._strategy.run(function, arguments)
        return tf.nest.map_structure(lambda value: self._strategy.experimental_local_results(value)[0], results)

    def number(self) -> tf.Tensor:
        """Within `run`: the number of the replica."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """Within `run`: the rows of all replicas, in their order. Its gradient is the sum over all replicas."""
        return values if self.count == 1 else tf.distribute.get_replica_context().all_gather(values, 0)

    def sum(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Within `run`: the sum of each value over all replicas."""
        if self.count == 1:
            return list(values)
        context = tf.distribute.get_replica_context()
        return [context.all_reduce(tf.distribute.ReduceOp.SUM, tf.convert_to_tensor(v)) for v in values]

    def from_chief(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The values of the chief, on every host. All hosts must pass arrays of the same shapes and types."""
        if self.hosts == 1:
            return list(values)
        parts = [self.distribute({i: value if i == 0 else np.zeros_like(value) for i in self.local}) for value in values]

        @tf.function
        def totals(*given: Any) -> Any:
            # The sum needs inputs that are on a device, which inputs of a graph are not yet.
            return self.run(lambda *own: self.sum([tf.identity(part) for part in own]), given)

        return [total.numpy() for total in totals(*parts)]

    def text_from_chief(self, text: str) -> str:
        """The text of the chief, on every host."""
        if self.hosts == 1:
            return text
        content = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        (length,) = self.from_chief([np.array(len(content), np.int32)])
        (shared,) = self.from_chief([content if self.is_chief else np.zeros(int(length), np.int32)])
        return bytes(shared.astype(np.uint8)).decode()


def task() -> tuple[int, int]:
    """The number of this host and the number of hosts, from the environment variable TF_CONFIG.

    Raises:
        TrainingError: TF_CONFIG is missing or does not describe a cluster of workers.
    """
    expected = 'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
    given = os.environ.get("TF_CONFIG")
    if not given:
        raise TrainingError(f"--distribute multi_worker: the environment variable TF_CONFIG is not set; {expected}")
    try:
        config = json.loads(given)
        workers, kind, index = config["cluster"]["worker"], config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"TF_CONFIG: cannot be read ({error}); {expected}") from error
    if kind != "worker" or set(config["cluster"]) != {"worker"} or not 0 <= index < len(workers):
        raise TrainingError(f"TF_CONFIG: found task {kind} {index} of {', '.join(config['cluster'])}; {expected}")
    return index, len(workers)
