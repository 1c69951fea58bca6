"""Charts as inline SVG that use the colours of the page, so that they follow light mode, dark mode and print."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maker.training.metrics import best_epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = (4.6, 3.0)
# Placeholder colours; each is replaced by the style sheet's custom property of this name.
INK, GREY, GRID, FIRST, SECOND, THIRD = (f"#00000{digit}" for digit in range(1, 7))
PROPERTIES = {INK: "ink", GREY: "grey", GRID: "grid", FIRST: "first", SECOND: "second", THIRD: "third"}
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "pocket-searcher", "font.size": 10, "text.color": INK}


def training_chart(history: Sequence[Mapping[str, Any]], selected_by: str = "R@10") -> str:
    """Loss and held-out retrieval by epoch; marks the best epoch. The manifest has both arguments under `training`."""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        epochs = [entry["epoch"] for entry in history]
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        measured = [entry for entry in history if "R@10" in entry]
        loss = axes
        if measured:
            for name, color in (("R@10", FIRST), ("R@5", SECOND), ("R@1", THIRD)):
                axes.plot([e["epoch"] for e in measured], [e[name] for e in measured], color=color, marker=".", label=name)
            best = best_epoch(measured, selected_by) or measured[-1]
            axes.plot([best["epoch"]], [best["R@10"]], color=INK, marker="o", fillstyle="none", markersize=9, linestyle="", label="_")
            axes.set_ylabel("recall in %")
            loss = axes.twinx()
            _plain(loss)
        loss.plot(epochs, [entry["loss"] for entry in history], color=GREY, linestyle="--", marker=".", label="loss")
        loss.set_ylabel("loss")
        lines = [line for line in (*axes.get_lines(), *(loss.get_lines() if measured else ())) if line.get_label() != "_"]
        axes.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, frameon=False, columnspacing=1, handlelength=1.4)

    return _chart("training", "Loss and held-out recall by epoch", draw)


def index_chart(curve: Sequence[Mapping[str, float]], share: float) -> str:
    """Recall of the index against latency; marks the share that the file scans. `curve` is the manifest's `report.index_curve`."""

    def draw(axes: Axes) -> None:
        points = sorted(curve, key=lambda point: point["share_scanned"])
        axes.plot([p["p50_ms"] for p in points], [100 * p["recall"] for p in points], color=FIRST, marker=".")
        chosen = min(points, key=lambda p: abs(p["share_scanned"] - share))
        axes.plot([chosen["p50_ms"]], [100 * chosen["recall"]], color=SECOND, marker="o", markersize=9, fillstyle="none")
        label = f"{100 * chosen['share_scanned']:.3g} % scanned"
        axes.annotate(label, (chosen["p50_ms"], 100 * chosen["recall"]), (-8, -14), textcoords="offset points", ha="right", color=INK)
        axes.set_xlabel("milliseconds, median")
        axes.set_ylabel("recall of the ten nearest, %")

    return _chart("index", "Index recall against latency", draw)


def latency_chart(milliseconds: np.ndarray) -> str:
    """A histogram of query latencies, with median and 99th percentile."""

    def draw(axes: Axes) -> None:
        median, high = np.percentile(milliseconds, (50, 99))
        axes.hist(np.minimum(milliseconds, high), bins=40, range=(0, high), color=FIRST)
        for value, name, side, shift, down in ((median, "p50", "left", 3, -10), (high, "p99", "right", -3, -24)):  # one below the other
            axes.axvline(value, color=INK, linewidth=1)
            place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": side}
            axes.annotate(f"{name} {value:.2f} ms", (value, 1), (shift, down), color=INK, **place)
        axes.set_xlabel("milliseconds, the slowest 1 % in the last bar")
        axes.set_ylabel("queries")

    return _chart("latency", "Histogram of query times", draw)


def reliability_chart(bins: Sequence[Mapping[str, float]], at: Mapping[str, float]) -> str:
    """How often results were relevant against their predicted relevance (a reliability diagram); `at` has gate and cut."""

    def draw(axes: Axes) -> None:
        predicted, found = ([100 * b[key] for b in bins] for key in ("predicted", "found"))
        borders = {name: 100 * at[name] for name in ("cut", "gate") if name in at}
        top = 1.08 * max(*predicted, *found, *borders.values())
        axes.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1, label="exact")
        axes.plot(predicted, found, color=FIRST, marker="o", markersize=4, label="measured")
        for (name, border), style in zip(borders.items(), ("-", ":"), strict=False):
            axes.axvline(border, color=SECOND, linewidth=1, linestyle=style, label=name)
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_xlabel("predicted relevance, %")
        axes.set_ylabel("found relevant, %")
        axes.legend(frameon=False, loc="lower right")

    return _chart("reliability", "Reliability diagram of the relevance curve", draw)


def trade_chart(trade: Sequence[Mapping[str, float]], at: Mapping[str, float]) -> str:
    """The effect of stricter gates and cuts: wrong results, and results for absent things, against relevant results kept."""

    def draw(axes: Axes) -> None:
        names = {"absent_answered": "results for absent things", "wrong_kept": "wrong results kept"}
        for (name, label), color in zip(names.items(), (SECOND, FIRST), strict=True):
            points = sorted((p for p in [*trade, at] if name in p), key=lambda p: p["recall_kept"])
            axes.plot([100 * p["recall_kept"] for p in points], [100 * p[name] for p in points], color=color, marker=".", label=label)
            if name in at:
                axes.plot([100 * at["recall_kept"]], [100 * at[name]], color=INK, marker="o", markersize=9, fillstyle="none", linestyle="")
        axes.set_ylim(0, 105)
        axes.set_xlabel("relevant results kept, %")
        axes.set_ylabel("share, %")
        axes.legend(frameon=False, loc="upper left")

    return _chart("trade", "Wrong results against relevant results kept", draw)


def _chart(name: str, title: str, draw: Callable[[Axes], None]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=INCHES, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        _plain(axes)
        axes.grid(color=GRID, linewidth=0.8)
        draw(axes)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(drawn.getvalue(), name, title)


def _plain(axes: Axes) -> None:
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=GREY, length=0)
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)


def _inline(svg: str, name: str, title: str) -> str:
    """The SVG element, with unique ids and the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"\bfont(-family)?: [^;\"]*;?", lambda m: _font(m.group(0)), svg)
    for placeholder, prop in PROPERTIES.items():
        svg = svg.replace(placeholder, f"var(--{prop})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1).strip()


def _font(declaration: str) -> str:
    """Only the size of a `font` declaration; the family comes from the page."""
    size = re.search(r"[\d.]+px", declaration)
    return f"font-size: {size.group(0)};" if size else ""
