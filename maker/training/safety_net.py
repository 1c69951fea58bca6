"""The safety net under fine-tuning: what is exported is no worse on the held-out split than the frozen tower was."""

from __future__ import annotations

from typing import Any

from maker.errors import TrainingError

FROZEN, TUNED, AVERAGE = "frozen", "fine_tuned", "average"
HOW = "text to image on the held-out split, float towers, exact search"


def choose(figures: dict[str, dict[str, float]], allow_worse: bool) -> str:
    """The better of the fine-tuned weights and of their average with the frozen ones, by R@10.

    Args:
        figures: R@10 of the three; empty where nothing is held out.
        allow_worse: Take it also where the frozen weights are better.

    Raises:
        TrainingError: It is worse than the frozen weights, and `allow_worse` is not set.
    """
    if not figures:
        return TUNED
    best = max((AVERAGE, TUNED), key=lambda name: figures[name]["R@10"])
    if figures[best]["R@10"] < figures[FROZEN]["R@10"] and not allow_worse:
        raise TrainingError(
            f"fine-tuning made the searcher worse on the held-out split ({described(figures)}), so nothing is exported; lower "
            "--unfreeze-rate, leave out --unfreeze-from for the frozen tower, or pass --allow-worse to take it as it is, which trains "
            "nothing again"
        )
    return best


def described(figures: dict[str, Any]) -> str:
    """The figures as text."""
    parts = [f"{name.replace('_', '-')} {figures[name]['R@10']:.2f} %" for name in (FROZEN, TUNED, AVERAGE) if name in figures]
    exported = f"; exported: {figures['exported'].replace('_', '-')}" if "exported" in figures else ""
    return ("R@10 " + ", ".join(parts) if parts else "nothing is held out to compare on") + exported
