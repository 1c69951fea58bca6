"""Thousands of damaged overlays and searchers: answers, or this project's errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import DIMENSION
from task_library_files import hashed_index, lookup_text_model

from maker.pipeline import index_embeddings
from task.text import TextSearcher
from tests.faults import cases
from tests.faults.searchers import BASE, LEGACY, OVERLAY

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture
def originals(tmp_path, encoder, embeddings):
    """A folder with a searcher with facts and words, an overlay of it, and a Task Library file with an index in it."""
    rows = "".join(f"{n},{n % 6},kite {n},20{10 + n % 9}-05-01,t{n % 3}|sea\n" for n in range(len(embeddings)))
    (tmp_path / "facts.csv").write_text(f"item,stars,note,taken,tags:tags\n{rows}", encoding="utf-8")
    metadata = [b"%d" % n for n in range(len(embeddings))]
    index_embeddings(embeddings, metadata, tmp_path / BASE, embedder=encoder, facts=tmp_path / "facts.csv", lexical=True)
    with TextSearcher.create_from_file(str(tmp_path / BASE)) as opened:
        for number in range(5):
            known = {"stars": number, "note": "a kite", "tags": ["sea"], "taken": "2024"}
            opened.add(np.roll(embeddings[number], 1), f"added {number}", known, captions=["a red kite"])
        opened.remove(7)
        opened.remove(opened.items - 1)
        opened.save_overlay(str(tmp_path / OVERLAY))
    index = hashed_index(embeddings, [b"item %d" % n for n in range(len(embeddings))], block=2, leaves=8, searched=4, entries=16)
    lookup_text_model(tmp_path / LEGACY, embeddings.reshape(-1, DIMENSION), index)
    return tmp_path


@pytest.mark.parametrize(("part", "count"), [("Overlays", 1_500), ("Tails", 2_000), ("Models", 1_500)])
def test_damaged_files_answer_or_are_refused(originals, part, count, fault_count, fault_seed):
    outcome = cases.run(f"tests.faults.searchers:{part}", originals, fault_count(count), fault_seed)
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.counts["refused"]
    assert outcome.counts["read"] or part == "Models"
    sys.stdout.write(f"\n{part.lower()}: {outcome}\n")
