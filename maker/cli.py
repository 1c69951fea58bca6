"""The command line; each verb is a module of `maker.commands`.

Results go to stdout, progress and logs to stderr. The exit status is 0, 1 (failed), 2 (usage) or 130 (interrupted).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from maker.commands import (
    build,
    classify,
    embed,
    evaluate,
    export,
    export_android,
    index,
    inspect,
    preview,
    report,
    sample,
    search,
    verify,
)
from maker.errors import MakerError
from task.errors import TaskError

# In the order of the help; `maker/commands/export_android.py` is the verb `export-android`.
VERBS = (build, embed, index, search, evaluate, classify, inspect, preview, report, export, export_android, verify, sample)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb and returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except (MakerError, TaskError, OSError) as error:
        sys.stderr.write(f"maker: error: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("maker: interrupted; the same command resumes\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maker", description="Builds searchers that find pictures by a sentence.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for module in VERBS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        verb = verbs.add_parser(name, help=module.HELP)
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
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
