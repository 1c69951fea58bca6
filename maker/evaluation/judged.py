"""What gate and cut do to the results of queries, whichever way relevance was predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KEPT = 0.9  # share of the relevant results that the default gate and cut keep
TRADE = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
BINS = 10


@dataclass(frozen=True)
class Predicted:
    """Predictions of queries' results.

    Attributes:
        p: `(q, r)`: the predicted relevance of the results, the nearest first.
        passing: `(q,)`: what the gate looks at.
        relevant: `(q, r)` bool.
        absent_p, absent_passing: The same after all pictures of the queried thing were removed; NaN if the thing is unknown.
    """

    p: np.ndarray
    passing: np.ndarray
    relevant: np.ndarray
    absent_p: np.ndarray
    absent_passing: np.ndarray

    def of(self, chosen: np.ndarray) -> Predicted:
        """The predictions of some queries, chosen by index or mask."""
        return Predicted(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def gate_and_cut(self, kept: float, gates: float) -> tuple[float, float]:
        """Gate and cut that together keep a share of the relevant results; the gate loses the share `gates` of those that are lost."""
        gate = float(np.quantile(np.repeat(self.passing, self.relevant.sum(axis=1)), (1 - kept) * gates))
        passing = self.of(self.passing >= gate)
        relevant = passing.p[passing.relevant]
        return gate, float(np.quantile(relevant, max(0.0, 1 - kept * self.relevant.sum() / len(relevant))))

    def shares(self, gate: float, cut: float) -> dict[str, float]:
        """The effect of a gate and a cut.

        Returns:
            `gate`, `cut`, and shares: of relevant results shown (`recall_kept`), of wrong results shown (`wrong_kept`), of shown results
            that are relevant (`precision`), of queries with any shown result (`answered`), of queries with a relevant result that keep one
            (`queries_kept`: `recall_kept` alone flatters a gate, which hides all results of a few queries), and of queries for absent
            things that still have a shown result (`absent_answered`, if known).
        """
        shown = (self.passing >= gate)[:, None] & (self.p >= cut)
        known = ~np.isnan(self.absent_passing)
        figures = {
            "gate": gate,
            "cut": cut,
            "recall_kept": _mean(shown[self.relevant]),
            "wrong_kept": _mean(shown[~self.relevant]),
            "precision": _mean(self.relevant[shown]),
            "answered": _mean(shown.any(axis=1)),
            "queries_kept": _mean((shown & self.relevant).any(axis=1)[self.relevant.any(axis=1)]),
        }
        if known.any():
            figures["absent_answered"] = _mean((self.absent_passing[known] >= gate) & (self.absent_p[known].max(axis=1) >= cut))
        return {name: _short(value) for name, value in figures.items()}


def measure_predicted(predicted: Predicted, gate: float, cut: float, gates: float, short: bool = False) -> dict[str, Any]:
    """Measures predictions and the effect of gate and cut; all shares are in [0, 1].

    Args:
        predicted: The predictions.
        gate: The gate of the file.
        cut: The cut of the file.
        gates: The share `gates` of `Predicted.gate_and_cut`, for `trade`.
        short: Leave out `trade` and `reliability`.

    Returns:
        `queries`, `results`, `relevant` (share of all results), `expected_calibration_error` (Guo et al., 2017), `absent_auc` (how often a
        query passes the gate more easily than one about an absent thing, if known), `at_cut` and `trade` (as `shares` returns them; `trade`
        for other gates and cuts), and `reliability`: ten bins of equally many results, each with the mean relevance `predicted`, the share
        `found` relevant and the number of `results`.
    """
    p, relevant = predicted.p, predicted.relevant
    order = np.argsort(p, axis=None, kind="stable")
    bins = [
        {"predicted": _short(p.ravel()[part].mean()), "found": _short(relevant.ravel()[part].mean()), "results": len(part)}
        for part in np.array_split(order, BINS)
        if len(part)
    ]
    figures: dict[str, Any] = {
        "queries": len(p),
        "results": p.size,
        "relevant": _short(relevant.mean()),
        "expected_calibration_error": _short(sum(b["results"] * abs(b["predicted"] - b["found"]) for b in bins) / p.size),
    }
    absent = predicted.absent_passing[~np.isnan(predicted.absent_passing)]
    if len(absent):
        figures["absent_auc"] = _short(_auc(predicted.passing, absent))
    figures["at_cut"] = predicted.shares(gate, cut)
    if not short:
        figures["trade"] = [predicted.shares(*predicted.gate_and_cut(kept, gates)) for kept in TRADE]
        figures["reliability"] = bins
    return figures


def _auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The share of pairs in which the first is higher; equal ones count half."""
    ordered = np.sort(lower)
    return float((np.searchsorted(ordered, higher, "left") + np.searchsorted(ordered, higher, "right")).mean() / (2 * len(ordered)))


def _mean(values: Any) -> float:
    return float(np.mean(values)) if np.size(values) else 0.0


def _short(value: Any) -> float:
    return round(float(value), 4)
