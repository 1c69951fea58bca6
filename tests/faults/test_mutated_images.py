"""Thousands of damaged pictures: read or refused, without a crash, a hang or much memory."""

from __future__ import annotations

import sys

import pytest

from tests.faults import cases

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def test_damaged_pictures_are_read_or_refused(tmp_path, fault_count, fault_seed):
    outcome = cases.run("tests.faults.images:Images", tmp_path, fault_count(10_000), fault_seed)
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.counts["read"]
    assert outcome.counts["refused"]
    sys.stdout.write(f"\npictures: {outcome}\n")
