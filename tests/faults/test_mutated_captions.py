"""Thousands of damaged captions files: read, row by row rejected, or refused in one line."""

from __future__ import annotations

import sys

import pytest

from tests.faults import cases

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def test_damaged_captions_are_read_rejected_or_refused(tmp_path, fault_count, fault_seed):
    outcome = cases.run("tests.faults.captions:Captions", tmp_path, fault_count(5_000), fault_seed)
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.counts["read"]
    assert outcome.counts["read with rejects"]
    assert outcome.counts["refused"]
    sys.stdout.write(f"\ncaptions files: {outcome}\n")
