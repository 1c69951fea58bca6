"""The safety net of fine-tuning: the exported tower is at least as good on the held-out split as the frozen tower."""

from __future__ import annotations

from typing import Any

from maker.errors import TrainingError

FROZEN, TUNED, AVERAGE = "frozen", "fine_tuned", "average"
HOW = "text to image on the held-out split, float towers, exact search"


def choose(figures: dict[str, dict[str, float]], allow_worse: bool) -> str:
    """Chooses between the fine-tuned weights and their average with the frozen weights, by R@10.

    Args:
        figures: R@10 in percent of the three candidates; empty if nothing is held out.
        allow_worse: Accept weights that are worse than the frozen ones.

    Returns:
        `fine_tuned` or `average`.

    Raises:
        TrainingError: Both are worse than the frozen weights, and `allow_worse` is not set.
    """
    if not figures:
        return TUNED
    best = max((AVERAGE, TUNED), key=lambda name: figures[name]["R@10"])
    if figures[best]["R@10"] < figures[FROZEN]["R@10"] and not allow_worse:
        raise TrainingError(
            f"fine-tuning made the searcher worse on the held-out split ({described(figures)}), so nothing is exported; lower "
            "--unfreeze-rate, leave out --unfreeze-from to keep the frozen tower, or pass --allow-worse to accept the result without "
            "training again"
        )
    return best


def described(figures: dict[str, Any]) -> str:
    """The figures in words."""
    parts = [f"{name.replace('_', '-')} {figures[name]['R@10']:.2f} %" for name in (FROZEN, TUNED, AVERAGE) if name in figures]
    exported = f"; exported: {figures['exported'].replace('_', '-')}" if "exported" in figures else ""
    return ("R@10 " + ", ".join(parts) if parts else "nothing is held out to compare on") + exported
