"""Draws a training run: loss, held-out retrieval and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maker.training.metrics import best_epoch
from maker.workspace import atomic

INK, GREY, LINE, MARK = "#1d2433", "#6b7280", "#2563eb", "#dc2626"
PANELS = (
    ("loss", "loss", "training loss"),
    ("R@10", "R@10 in %", "text to image, held-out split"),
    ("learning_rate", "rate", "learning rate"),
)
INCHES, DPI = (12.0, 3.6), 100


def draw_training_curves(path: Path, history: Sequence[dict[str, Any]], unfreeze_from: int = 0, selected_by: str = "R@10") -> None:
    """Draws one panel per figure.

    Args:
        path: The PNG to write.
        history: One entry per epoch, as `maker.training.loop.fit` returns them.
        unfreeze_from: First epoch in which the image tower was trained too; 0 for none.
        selected_by: The figure that the best epoch was chosen by.
    """
    from matplotlib.figure import Figure  # draws with Agg, without pyplot's state and windows
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    for axes, (name, label, title) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        entries = [entry for entry in history if name in entry]
        epochs, values = [entry["epoch"] for entry in entries], [entry[name] for entry in entries]
        axes.plot(epochs, values, color=LINE, marker="o", markersize=4)
        axes.set_title(title if entries else f"{title}: nothing held out", color=INK, fontsize=11)
        axes.set_xlabel("epoch", color=GREY)
        axes.set_ylabel(label, color=GREY)
        axes.tick_params(colors=GREY)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if name == "R@10" and entries:
            best = best_epoch(entries, selected_by) or entries[-1]
            axes.plot([best["epoch"]], [best[name]], color=MARK, marker="o")
            axes.annotate(f"{best[name]:.1f}", (best["epoch"], best[name]), (0, 7), textcoords="offset points", ha="center", color=MARK)
            axes.margins(y=0.15)
        if unfreeze_from:
            axes.axvline(unfreeze_from - 0.5, color=GREY, linestyle="--", linewidth=1)
            axes.text(unfreeze_from - 0.45, 0.02, "unfrozen", color=GREY, fontsize=9, transform=axes.get_xaxis_transform())
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png")
