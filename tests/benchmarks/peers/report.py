"""Draws the table and the plots of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

from .variants import OURS, REFERENCE

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

TABLE = "table.md"
LEVEL = "0.95"  # the recall at which the summary compares
EQUAL_BYTES = 1.5  # an index counts as equally large up to this multiple of our bytes per item
AXES = (("p50_ms", "p50, ms"), ("p99_ms", "p99, ms"), ("bytes_per_item", "bytes per item"))


def write(results: dict[str, Any], folder: Path) -> str:
    """Writes `table.md` and a `<data>.png` per data set; returns the tables."""
    parts = []
    for name, entry in results["data"].items():
        parts += [table(name, entry), summary(name, entry)]
        if entry["variants"]:
            plot(name, entry["variants"], folder / f"{name}.png")
    text = "\n\n".join(parts)
    (folder / TABLE).write_text(text + "\n", encoding="utf-8")
    return text


def table(name: str, entry: dict[str, Any]) -> str:
    """A Markdown table of a data set: the best points of each variant."""
    head = [
        "",
        "p50 at recall 0.9",
        "p50 / p99 at 0.95, ms",
        "the same, processor time",
        "relative to ours at 0.95",
        "p50 at 0.98",
        "bytes per item",
        "build, CPU s",
        "peak MB",
        "open / first result, ms",
        "resident MB",
        "best at 0.95",
    ]
    lines = [f"## {name}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    newest = entry["variants"].get(REFERENCE, {}).get("run")
    for variant in entry["variants"].values():
        lines.append("| " + " | ".join(row(variant, newest)) + " |")
    if any(variant["run"] != newest for variant in entry["variants"].values()):
        lines.append(f"\n\\* relative to {REFERENCE} in an earlier run, the run of this line")
    runs = {}
    for key, variant in entry["variants"].items():
        runs.setdefault(str(sorted(variant["run"].items())), (variant["run"], []))[1].append(key)
    for run, names in runs.values():
        load = f"load {run['load_before']} to {run['load_after']}"
        where = f"{run['machine']}; commit {run['commit']}; {run['date']} UTC; {run['rounds']} rounds; {load}"
        lines.append(f"\n{where}: {', '.join(names)}")
    lines += [f"\nLeft out: {key}: {why}" for key, why in entry["skipped"].items()]
    return "\n".join(lines)


def summary(name: str, entry: dict[str, Any]) -> str:
    """A Markdown table of a data set with the fastest setting of each library, and the fastest of equally large indexes.

    Times are processor times: every library has one thread, and other load on the machine affects them less than wall-clock times.
    """
    head = ["", "p50 / p99, CPU ms", "of ours", "p50 at 90 %", "p50 at 98 %", "bytes per item", "build, CPU s", "open, ms"]
    lines = [f"## {name}, each library at its fastest setting with recall {LEVEL}, and at that of equal bytes", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for variant in fastest(list(entry["variants"].values())):
        best, low, high = (variant["best"][recall] for recall in (LEVEL, "0.9", "0.98"))
        cells = [
            f"{variant['label']} ({variant['version']}); {best['build']}",
            f"{best['p50_cpu_ms']:.3f} / {best['p99_cpu_ms']:.3f}",
            str(best["times_pocket_cpu"] or "-"),
            f"{low['p50_cpu_ms']:.3f}",
            f"{high['p50_cpu_ms']:.3f}" if high else f"reaches {max(p['recall'] for p in variant['points']):.3f}",
            str(best["bytes_per_item"]),
            str(best["cpu_seconds"]),
            f"{variant['opened']['open_ms']:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fastest(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fastest variant of each library with the recall; if it is larger than ours, also the fastest equally large one.

    Returns:
        The fastest first, without libraries that do not reach the recall.
    """
    reached = sorted((v for v in variants if v.get("library") and v["best"][LEVEL]), key=lambda v: v["best"][LEVEL]["p50_cpu_ms"])
    ours = [v["best"][LEVEL]["bytes_per_item"] for v in reached if v["library"] == OURS]
    limit = EQUAL_BYTES * min(ours) if ours else float("inf")
    chosen: list[dict[str, Any]] = []
    for library in dict.fromkeys(variant["library"] for variant in reached):
        lines = [variant for variant in reached if variant["library"] == library]
        small = [variant for variant in lines if variant["best"][LEVEL]["bytes_per_item"] <= limit]
        chosen += [lines[0], *(small[:1] if lines[0] not in small else [])]
    return sorted(chosen, key=lambda v: v["best"][LEVEL]["p50_cpu_ms"])


def row(variant: dict[str, Any], newest: dict[str, Any] | None) -> list[str]:
    """The line of a variant; a star marks a ratio to an older run of the reference."""
    low, middle, high = (variant["best"][recall] for recall in ("0.9", "0.95", "0.98"))
    shown = middle or max(variant["points"], key=lambda p: p["recall"])
    built = variant["builds"][shown["build"]]
    opened = variant["opened"]
    most = "" if middle else f"reaches {shown['recall']:.3f} in {shown['p50_ms']:.3f}"
    return [
        f"{variant['label']} ({variant['version']})",
        f"{low['p50_ms']:.3f}" if low else "-",
        f"{middle['p50_ms']:.3f} / {middle['p99_ms']:.3f}" if middle else most,
        f"{middle['p50_cpu_ms']:.3f} / {middle['p99_cpu_ms']:.3f}" if middle else "-",
        f"{middle['times_pocket']}{'' if variant['run'] == newest else ' *'}" if middle and middle["times_pocket"] is not None else "-",
        f"{high['p50_ms']:.3f}" if high else "-",
        str(built["bytes_per_item"]),
        str(built["cpu_seconds"]),
        str(round(built["peak_mb"])),
        f"{opened['open_ms']:.1f} / {opened['first_answer_ms']:.1f}",
        str(round(opened["resident_mb"])),
        ", ".join([shown["build"], *([str(shown["setting"])] if shown["setting"] is not None else []), f"recall {shown['recall']:.3f}"]),
    ]


def plot(name: str, variants: dict[str, Any], target: Path) -> None:
    """Plots recall against p50, p99 and bytes per item."""
    figure, axes = plt.subplots(1, len(AXES), figsize=(21, 8), layout="constrained", sharey=True)
    colours = plt.get_cmap("tab20").colors
    for number, variant in enumerate(variants.values()):
        ours = variant["label"].startswith("Pocket")
        for axis, (key, label) in zip(axes, AXES, strict=True):
            values = [variant["builds"][p["build"]][key] if key == "bytes_per_item" else p[key] for p in variant["points"]]
            recalls = [p["recall"] for p in variant["points"]]
            axis.plot(
                values,
                recalls,
                marker="o" if ours else ".",
                linestyle="none" if key == "bytes_per_item" else "-",
                linewidth=2.5 if ours else 1.2,
                color=colours[number % len(colours)],
                label=variant["label"].replace("`", ""),
            )
            axis.set(xlabel=label, xscale="log")
            axis.grid(True, which="both", alpha=0.25)
    axes[0].set(ylabel="recall@10 against exact float search", ylim=(0.8, 1.003))
    for level in (0.9, 0.95, 0.98):
        for axis in axes:
            axis.axhline(level, color="grey", linewidth=0.6, linestyle="--")
    figure.suptitle(name)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(target, dpi=110)
    plt.close(figure)
