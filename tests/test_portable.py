"""The program behind `make test-portable`: what it calls the same, different and not asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.portable import run
from tests.portable.environments import ASK, Environment, Unavailable, virtual_environment

HERE = Environment("here", lambda folder: [sys.executable, str(ASK), "ai_edge_litert"])


def test_the_same_runtime_gives_the_golden_answers(searcher_file, tmp_path):
    row, same = run.asked(HERE, tmp_path, searcher_file, searcher_file)
    assert same is True
    assert row["queries"].endswith("1 image, 3 embedding")
    assert float(row["largest difference"]) < 1e-6
    assert float(row["8-bit image tower"]) < 1e-6


@pytest.mark.parametrize(("change", "same"), [("ids[0] = -2", False), ("distances[0] += 1e-3", False), ("distances[0] += 1e-6", True)])
def test_other_answers_differ(searcher_file, tmp_path, change, same):
    program = tmp_path / "ask.py"
    program.write_text(
        "import json, sys\n"
        "answers = []\n"
        "for entry in json.load(sys.stdin):\n"
        "    ids, distances = entry['ids'], entry['distances']\n"
        f"    {change}\n"
        "    answers.append([ids, distances])\n"
        "print(json.dumps({'version': '0', 'machine': 'none', 'python': '', 'answers': answers}))\n"
    )
    other = Environment("other", lambda folder: [sys.executable, str(program)])
    assert run.asked(other, tmp_path, searcher_file, None)[1] is same


def test_what_fails_and_what_cannot_be_made_say_why(searcher_file, tmp_path):
    failing = Environment("failing", lambda folder: [sys.executable, "-c", "raise ValueError('no such operator')"])
    row, same = run.asked(failing, tmp_path, searcher_file, None)
    assert same is False
    assert row["note"] == "exit status 1: ValueError: no such operator"

    def make(folder: Path) -> list[str]:
        raise Unavailable(str(virtual_environment(folder, [], "2.0")))

    row, same = run.asked(Environment("missing", make), tmp_path, searcher_file, None)
    assert same is None
    assert row["note"] == "not asked: needs CPython 2.0"


def test_ci_fails_where_a_runtime_is_missing(searcher_file, tmp_path, monkeypatch, capsys):
    def make(folder: Path) -> list[str]:
        raise Unavailable("no network")

    monkeypatch.setattr(run, "environments", lambda: [HERE, Environment("missing", make)])
    monkeypatch.setattr(sys, "argv", ["run", "--file", str(searcher_file), "--work", str(tmp_path)])
    for value, status in (("", 0), ("1", 1)):
        monkeypatch.setenv("CI", value)
        assert run.main() == status
        assert "| missing |" in capsys.readouterr().out
    assert [row["same"] for row in json.loads((tmp_path / "results.json").read_text())] == [True, None]
