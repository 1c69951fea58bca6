"""Starts the hosts of a distributed training on a Ray cluster."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from maker.collection.engines import Engine
from maker.collection.ray_engine import Ray, begin_in, connected
from maker.errors import TrainingError, UsageError
from maker.pipeline.build import build
from maker.pipeline.options import BuildOptions, Corpus
from maker.pipeline.report import BuildReport

STRATEGY = "multi_worker"


def build_on_ray(corpus: Corpus, output: Path, options: BuildOptions, engine: Engine | None) -> BuildReport:
    """Builds as `build` does, on several machines of a Ray cluster, which share each batch of the training.

    Every machine sees the same paths. The first host also embeds, indexes and writes the searcher.

    Args:
        corpus: The photos and captions.
        output: The searcher to write.
        options: Towers, training, index and file; `training` says `distribute="multi_worker"`.
        engine: The cluster, the number of hosts (`actors`), and the CPUs and GPUs of each.

    Returns:
        The summary of the first host.

    Raises:
        UsageError: The training is not distributed, or Ray is not installed.
        TrainingError: A machine was lost. The same call goes on from the last checkpoint.
        MakerError: As for `build`.
    """
    if options.training.get("distribute") != STRATEGY or not isinstance(engine, Ray):
        raise UsageError(f"hosts on Ray are for training on several machines: pass --engine ray and --distribute {STRATEGY}")
    with connected(engine.address) as ray:
        spread = {"num_cpus": engine.cpus, "num_gpus": engine.gpus, "scheduling_strategy": "SPREAD", "max_restarts": 0}
        actor = ray.remote(_Host).options(**spread)
        hosts = [actor.remote(os.getcwd()) for _ in range(engine.actors_for(ray, engine.actors or 1 << 16))]
        try:
            addresses = ray.get([host.address.remote() for host in hosts])
            waiting = {host.build.remote(_config(addresses, number), corpus, output, options): number for number, host in enumerate(hosts)}
            reports: dict[int, BuildReport] = {}
            while waiting:
                (done,), _ = ray.wait(list(waiting), num_returns=1)
                reports[waiting.pop(done)] = ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, BaseException) else error) from error
        except ray.exceptions.RayError as error:
            said = " ".join(str(error).split())[:300]
            raise TrainingError(f"a machine of the training was lost; run the same command again ({said})") from error
        finally:
            for host in hosts:
                ray.kill(host)
    return reports[0]


def _config(addresses: list[str], number: int) -> str:
    """What TensorFlow reads from TF_CONFIG."""
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}})


class _Host:
    """A host of the training, in a process of its own."""

    def __init__(self, folder: str) -> None:
        begin_in(folder)

    def address(self) -> str:
        """Its address, with a port that is free now."""
        import ray

        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def build(self, config: str, corpus: Any, output: Path, options: Any) -> BuildReport:
        """Builds as one of the hosts."""
        os.environ["TF_CONFIG"] = config
        return build(corpus, output, options)
