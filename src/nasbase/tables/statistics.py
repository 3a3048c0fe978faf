"""Arithmetic on arrays of numbers: fronts, ranks, correlations."""

from __future__ import annotations

from typing import NamedTuple

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
    x /= max(x.max(), -x.min())
    y /= max(y.max(), -y.min())
    # Not x @ y: its last bits depend on the processor and on the number of threads.
    product = x * y
    r = product.sum()
    squares = [np.multiply(side, side, out=product).sum() for side in (x, y)]
    return float(np.clip(r / np.sqrt(squares[0] * squares[1]), -1.0, 1.0))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation: the linear one of the ranks, ties sharing the mean of theirs."""
    return pearson(mean_ranks(x), mean_ranks(y))


def mean_ranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal numbers share the mean of their ranks."""
    found = levels(x)
    return _ranks_of(found, np.bincount(found))


def kendall_tau_b(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's rank correlation with correction for ties, in O(n log n).

    Knight, A Computer Method for Calculating Kendall's Tau with Ungrouped Data, JASA 1966.
    """
    return correlations(x, y).kendall_tau_b


class Correlations(NamedTuple):
    """Three correlations of the same two arrays; NaN where one side is constant."""

    pearson: float
    spearman: float
    kendall_tau_b: float


def correlations(
    x: np.ndarray,
    y: np.ndarray,
    levels_x: np.ndarray | None = None,
    levels_y: np.ndarray | None = None,
) -> Correlations:
    """`pearson`, `spearman` and `kendall_tau_b` at once, each side being sorted once.

    Not at all, where its `levels` are known.
    """
    levels_x = levels(x) if levels_x is None else levels_x
    levels_y = levels(y) if levels_y is None else levels_y
    counts_x, counts_y = np.bincount(levels_x), np.bincount(levels_y)
    ranks = pearson(_ranks_of(levels_x, counts_x), _ranks_of(levels_y, counts_y))
    tau = _tau_of(levels_x, levels_y, counts_x, counts_y)
    return Correlations(pearson(x, y), ranks, tau)


def levels(x: np.ndarray) -> np.ndarray:
    """For each number, how many different smaller ones there are."""
    return np.unique(x, return_inverse=True)[1].astype(np.int32)


def levels_among(some: np.ndarray) -> np.ndarray:
    """Levels of some numbers of which those among more numbers are known."""
    there = np.zeros(int(some.max(initial=-1)) + 1, dtype=bool)
    there[some] = True
    return some if there.all() else (np.cumsum(there, dtype=np.int32) - 1)[some]


def _ranks_of(levels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return (np.cumsum(counts) - (counts - 1) / 2)[levels]


def _tau_of(x: np.ndarray, y: np.ndarray, counts_x: np.ndarray, counts_y: np.ndarray) -> float:
    pairs = len(x) * (len(x) - 1) // 2
    tied_x, tied_y = _tied_pairs(counts_x), _tied_pairs(counts_y)
    if pairs in (tied_x, tied_y):
        return float("nan")
    # The levels of x are cut into strips of 2**bits. Pairs of different strips are counted in a
    # table of strips by levels of y, which has about as many cells as there are numbers.
    bits = (len(counts_x) * len(counts_y) // len(x)).bit_length()
    wide = len(counts_y).bit_length()
    strips, lowest = x.astype(np.int64) >> bits, x & ((1 << bits) - 1)
    discordant = _discordant(strips, y, len(counts_y))
    # Those of one strip are inversions of x, where y orders the numbers, and x orders equal y.
    both = np.sort((strips << wide | y) << bits | lowest)
    discordant += inversions(both >> (bits + wide) << bits | both & ((1 << bits) - 1), bits)
    ends = np.flatnonzero(np.append(both[1:] != both[:-1], True))
    tied_both = _tied_pairs(np.diff(ends, prepend=-1))
    concordant = pairs - tied_x - tied_y + tied_both - discordant
    tau = (
        (concordant - discordant) / np.sqrt(float(pairs - tied_x)) / np.sqrt(float(pairs - tied_y))
    )
    return float(np.clip(tau, -1.0, 1.0))


def _tied_pairs(counts: np.ndarray) -> int:
    counts = counts.astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _discordant(x: np.ndarray, y: np.ndarray, size: int) -> int:
    """Pairs of which one has the larger x, the other the larger y; every y is below ``size``."""
    cells = np.bincount(x * size + y, minlength=(int(x.max()) + 1) * size).reshape(-1, size)
    before = np.cumsum(cells, axis=0) - cells  # of smaller x
    not_larger = np.cumsum(before, axis=1)
    return int((not_larger[:, -1] * cells.sum(axis=1)).sum() - np.vdot(not_larger, cells))


def inversions(ranks: np.ndarray, bits: int | None = None) -> int:
    """Pairs that stand in the wrong order: earlier and larger.

    Where ``bits`` are given, the numbers are in order but for so many of their lowest bits.

    Two numbers first differ in some bit, all higher bits being equal: so, bit by bit from the
    highest, a zero is in the wrong order with every one before it among the numbers of equal higher
    bits. Moving the zeros before the ones keeps such numbers side by side, and their order. How
    many ones are before the zeros follows from the places of the zeros: in a group of numbers that
    starts at s, the zeros would stand at s, s + 1, ... if no ones were before them.
    """
    ranks = np.asarray(ranks, dtype=np.int32)  # half the memory traffic of int64
    largest = int(ranks.max(initial=0))
    bits = largest.bit_length() if bits is None else bits
    groups = np.arange((largest >> bits) + 1)  # the higher bits of each group, in order of groups
    # Sizes of groups, by the number of their lower bits.
    sizes = [np.bincount(ranks, minlength=len(groups) << bits)]
    for _ in range(bits):
        sizes.append(sizes[-1].reshape(-1, 2).sum(axis=1))
    found = 0
    for bit in reversed(range(bits)):
        ones = (ranks & (1 << bit)).astype(bool)
        zeros = np.flatnonzero(~ones)
        size, left = sizes[bit + 1][groups], sizes[bit][2 * groups]
        starts = np.cumsum(size) - size
        found += int(zeros.sum() - (left * starts + left * (left - 1) // 2).sum())
        ranks = ranks[np.concatenate([zeros, np.flatnonzero(ones)])]
        groups = np.concatenate([2 * groups, 2 * groups + 1])
    return found
