"""Options for where long work runs, which several verbs share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maker.collection.engines import Engine

NAMES = ("engine", "workers", "ray_address", "cpus", "gpus")


def add_engine_options(group: argparse._ArgumentGroup, workers: str) -> None:
    """Adds the options; `workers` says how many workers there are by default."""
    group.add_argument("--engine", choices=("local", "ray"), help="where the work is done (default local)")
    group.add_argument("--workers", type=int, metavar="N", help=f"worker processes or Ray actors (default: {workers})")
    group.add_argument("--ray-address", metavar="HOST:PORT", help="a Ray cluster; without it that of RAY_ADDRESS, else one on this machine")
    group.add_argument("--cpus", type=float, metavar="N", help="CPUs of a Ray actor (default 1)")
    group.add_argument("--gpus", type=float, metavar="N", help="GPUs of a Ray actor (default 0)")


def given_options(given: argparse.Namespace, names: tuple[str, ...] = NAMES) -> list[str]:
    """Those of the options that were given, as they are written."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(given, name) is not None]


def engine_of_options(given: argparse.Namespace, local_workers: int | None = None) -> Engine:
    """The engine that the options name; `local_workers` is the number of processes where none is given."""
    from maker.collection.engines import engine_of

    name = given.engine or "local"
    workers = local_workers if given.workers is None and name == "local" else given.workers
    cpus, gpus = 1 if given.cpus is None else given.cpus, given.gpus or 0
    return engine_of(name, workers=workers, address=given.ray_address, cpus=cpus, gpus=gpus)
