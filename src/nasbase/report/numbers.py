"""Arithmetic for figures: every result is small, whatever the size of the build."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_POINTS = 2_000
"""Networks of a setting that are drawn one by one; more are counted in cells of a grid."""

TAIL = 0.02
"""The part of the networks that may be left out of a picture which they would squeeze."""

GRID = (60, 40)
"""Cells along and up of such a grid."""


def packed(values: Any) -> Any:
    """A column for the page: texts as numbers of words, numbers with six digits."""
    column = np.asarray(values)
    if column.dtype.kind in "UO":
        words, codes = np.unique(column.astype(str), return_inverse=True)
        return {"words": words.tolist(), "codes": codes.tolist()}
    if column.dtype.kind in "iub":
        return column.tolist()
    return [short(number) for number in column.tolist()]


def short(number: float) -> float | int | None:
    """A number with six digits; None for NaN and infinity, which JSON lacks."""
    if not np.isfinite(number):
        return None
    rounded = float(f"{number:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def floor(values: np.ndarray) -> float:
    """The accuracy from which a picture starts.

    Where the least accurate `TAIL` take more than half of the axis (networks at chance level,
    mostly), they are left out, and the page says so.
    """
    low, tail, high = np.quantile(values, [0, TAIL, 1])
    return float(tail if tail - low > high - tail else low)


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges, at round percentages, and counts."""
    low, high = np.floor(values.min()), np.ceil(values.max())
    step = next(step for step in (0.1, 0.25, 0.5, 1.0) if high - low <= 100 * step)
    edges = low + step * np.arange(round(max(high - low, 1) / step) + 1)
    return edges, np.histogram(values, edges)[0]


def ecdf(values: np.ndarray, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and the fraction that is at most each of them, at steps of the fraction."""
    ordered = np.sort(values)
    at = np.unique(np.linspace(0, len(ordered) - 1, min(points, len(ordered))).round().astype(int))
    return ordered[at], np.searchsorted(ordered, ordered[at], side="right") / len(ordered)


def edges(values: np.ndarray, count: int, *, log: bool) -> np.ndarray:
    """Borders of ``count`` cells that hold every value."""
    low, high = float(values.min()), float(values.max())
    if log:
        return np.geomspace(low, high * (1 + 1e-9) if high > low else low * 1.01, count + 1)
    return np.linspace(low, high if high > low else low + 1, count + 1)


def grid(x: np.ndarray, y: np.ndarray, *, log: bool = False) -> dict[str, np.ndarray]:
    """Cells of a two-dimensional histogram that are not empty: borders and counts."""
    x_edges, y_edges = edges(x, GRID[0], log=log), edges(y, GRID[1], log=False)
    counts = np.histogram2d(x, y, (x_edges, y_edges))[0]
    i, j = np.nonzero(counts)
    return {
        "x": x_edges[i],
        "x2": x_edges[i + 1],
        "y": y_edges[j],
        "y2": y_edges[j + 1],
        "count": counts[i, j].astype(int),
    }


def front(cost: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Which have a larger gain than everything that costs no more, cheapest first."""
    order = np.lexsort((-gain, cost))
    best = np.maximum.accumulate(gain[order])
    better = np.append(True, best[1:] > best[:-1])
    return order[better]


class QuantileCounter:
    """Quantiles of percentages by key, from a stream, in memory that does not grow.

    Each key has a row of counts, one per step of `STEP`; a quantile is known to half a step.
    """

    STEP = 0.05

    def __init__(self) -> None:
        self._counts: dict[Any, np.ndarray] = {}
        self._bins = round(100 / self.STEP) + 1

    def add(self, keys: list[Any], which: np.ndarray, values: np.ndarray) -> None:
        """Count values; ``which`` is the place of each value's key in ``keys``."""
        bins = np.clip(np.rint(values / self.STEP), 0, self._bins - 1).astype(np.int64)
        size = len(keys) * self._bins
        counted = np.bincount(which * self._bins + bins, minlength=size)
        for key, row in zip(keys, counted.reshape(len(keys), self._bins), strict=True):
            if row.any():
                self._counts[key] = self._counts.get(key, 0) + row

    def quantiles(self, probabilities: list[float]) -> dict[Any, list[float]]:
        """For each key, the smallest step that at least this fraction does not exceed."""
        found = {}
        for key, row in self._counts.items():
            reached = np.cumsum(row)
            ranks = np.ceil(np.array(probabilities) * reached[-1]).clip(1)
            found[key] = (np.searchsorted(reached, ranks) * self.STEP).round(2).tolist()
        return found
