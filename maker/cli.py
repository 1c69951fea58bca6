"""The command line; each verb is a module of `maker.commands`.

Results go to stdout, progress and logs to stderr. The exit status is 0, 1 (failed), 2 (usage) or 130 (interrupted).
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from maker import interrupts
from maker.commands import (
    build,
    classify,
    duplicates,
    embed,
    evaluate,
    export,
    export_android,
    fetch,
    index,
    inspect,
    preview,
    report,
    sample,
    search,
    verify,
)
from maker.errors import MakerError, UsageError
from task.errors import TaskError

# In the order of the help; `maker/commands/export_android.py` is the verb `export-android`.
VERBS = (
    build,
    embed,
    index,
    search,
    evaluate,
    classify,
    duplicates,
    inspect,
    preview,
    report,
    export,
    export_android,
    verify,
    fetch,
    sample,
)


WITHOUT_MODELS = (fetch.run, sample.run)  # verbs that run no model

# Libraries of the extra `maker` by the name of their package. Without it, search, index, inspect and verify work.
OF_THE_BUILDER = {
    "safetensors": "safetensors",
    "PIL": "Pillow",
    "filelock": "filelock",
    "jinja2": "Jinja2",
    "matplotlib": "Matplotlib",
    "scann": "ScaNN",
    "tensorflow": "TensorFlow",
    "tqdm": "tqdm",
}
WITHOUT_314 = ("scann", "tensorflow")  # have no stable release for CPython 3.14
INSTALL = "pip install 'pocket-searcher[maker]', or in a checkout pip install '.[maker]'"
RESUMING = (build, embed, evaluate, classify, preview, export_android)  # verbs that keep the results of an interrupted run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb and returns the exit status."""
    given = _parser().parse_args(arguments)
    _set_up_streams()
    try:
        with _terminable():
            if given.run not in WITHOUT_MODELS:
                from maker.graph.quiet_runtime import quiet_runtime

                quiet_runtime()
            given.run(given)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of `maker … | head` is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MakerError, TaskError, OSError) as error:
        sys.stderr.write(f"maker: error: {' '.join(str(error).split())}\n")
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in OF_THE_BUILDER:
            raise
        sys.stderr.write(
            f"maker: error: maker {given.verb} needs {OF_THE_BUILDER[library]}, {_how_to_get(library, sys.version_info[:2])}\n"
        )
        return 1
    except KeyboardInterrupt:
        hint = "; the same command resumes" if given.resumes else ""
        sys.stderr.write(f"maker: interrupted{hint}\n")
        return 130
    return 0


def _how_to_get(library: str, python: tuple[int, int]) -> str:
    """How to get a library of the builder."""
    if library in WITHOUT_314 and python >= (3, 14):
        found = ".".join(map(str, python))
        return f"whose release for CPython {found} this project waits for; run the command on CPython 3.10 to 3.13"
    return f"a part of the builder: {INSTALL}"


def _set_up_streams() -> None:
    """Replaces characters that the encoding of the terminal lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def _terminable() -> Iterator[None]:
    """Lets SIGTERM end the command like Ctrl-C, so that it cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _find_temporary_folder()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _find_temporary_folder() -> None:
    """Lets `tempfile` find the system's temporary folder: it tries folders with a file, which an interrupt would leave."""
    with interrupts.blocked(signal.SIGTERM, signal.SIGINT):
        tempfile.gettempdir()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maker", description="Builds searchers that find pictures by a sentence.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for module in VERBS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        verb = verbs.add_parser(name, help=module.HELP)
        module.add_arguments(verb)
        verb.set_defaults(verb=name, run=module.run, resumes=module in RESUMING)
    return parser


class _Version(argparse.Action):
    """Prints the version. It imports importlib.metadata only then, because that takes longer than the rest of the parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"maker {version('pocket-searcher')}")
        except PackageNotFoundError:
            print("maker, version unknown: pocket-searcher is not installed")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
