"""Arithmetic on arrays of numbers: fronts, ranks, correlations."""

from __future__ import annotations

import numpy as np


def non_dominated(table: np.ndarray) -> np.ndarray:
    """Which rows no other row beats: none is at least as large everywhere and larger somewhere.

    Parameters
    ----------
    table
        float64 of shape (row, metric), every metric to be maximized, without NaN.
    """
    order = np.lexsort(table.T[::-1])[::-1]
    kept = np.empty((0, table.shape[1]))
    result = np.zeros(len(table), dtype=bool)
    for row in order:  # a row can only be beaten by one that stands before it
        candidate = table[row]
        reached = kept[(kept >= candidate).all(axis=1)]
        if not len(reached) or (reached == candidate).all(axis=1).any():
            result[row] = True
            kept = np.vstack([kept, candidate])
    return result


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Linear correlation; NaN where one side is constant."""
    if (x == x[0]).all() or (y == y[0]).all():
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation: the linear one of the ranks, ties sharing the mean of theirs."""
    return pearson(mean_ranks(x), mean_ranks(y))


def mean_ranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal numbers share the mean of their ranks."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def kendall_tau_b(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's rank correlation with correction for ties, in O(n log n).

    Knight, A Computer Method for Calculating Kendall's Tau with Ungrouped Data, JASA 1966.
    """
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    pairs = len(x) * (len(x) - 1) // 2
    tied_x, tied_y = (
        _tied_pairs(np.unique(x, return_counts=True)[1]),
        _tied_pairs(np.unique(y, return_counts=True)[1]),
    )
    both = _tied_pairs(np.unique(np.column_stack([x, y]), axis=0, return_counts=True)[1])
    if pairs in (tied_x, tied_y):
        return float("nan")
    # In the order of x, and of y among equal x, every inversion of y is a discordant pair.
    discordant = inversions(np.unique(y, return_inverse=True)[1])
    concordant = pairs - tied_x - tied_y + both - discordant
    tau = (
        (concordant - discordant) / np.sqrt(float(pairs - tied_x)) / np.sqrt(float(pairs - tied_y))
    )
    return float(np.clip(tau, -1.0, 1.0))


def _tied_pairs(counts: np.ndarray) -> int:
    counts = counts.astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def inversions(ranks: np.ndarray) -> int:
    """Pairs that stand in the wrong order: earlier and larger.

    Two numbers first differ in some bit, all higher bits being equal: so, bit by bit from the
    lowest, a zero is in the wrong order with every one before it in its group of equal higher bits.
    """
    ranks = np.asarray(ranks, dtype=np.int64)
    found = 0
    for bit in range(int(ranks.max(initial=0)).bit_length()):
        group = ranks >> (bit + 1)
        order = np.argsort(group, kind="stable")
        group, ones = group[order], (ranks[order] >> bit) & 1
        before = np.cumsum(ones) - ones
        starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
        sizes = np.diff(np.append(starts, len(group)))
        inside = before - np.repeat(before[starts], sizes)
        found += int(inside[ones == 0].sum())
    return found
