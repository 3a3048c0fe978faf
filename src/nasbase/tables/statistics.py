"""Arithmetic on arrays of numbers: fronts, ranks, correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa


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
    if x.min() == x.max() or y.min() == y.max():
        return float("nan")
    return _cosine(_centred(x), _centred(y))


def _centred(x: np.ndarray) -> np.ndarray:
    """Distances from the mean, the largest being 1: their squares neither overflow nor vanish."""
    x = x - x.mean()
    x /= max(x.max(), -x.min())
    return x


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
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
    return _ranks(np.bincount(found))[found]


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


def correlations(x: np.ndarray, y: np.ndarray) -> Correlations:
    """`pearson`, `spearman` and `kendall_tau_b` at once, each side being sorted once."""
    (found,) = correlations_of_shares(x, y, levels(x), levels(y), [len(x)])
    return found


def correlations_of_shares(
    x: np.ndarray,
    y: np.ndarray,
    levels_x: np.ndarray,
    levels_y: np.ndarray,
    sizes: Sequence[int],
) -> list[Correlations]:
    """Correlations over the first rows, for several numbers of rows at once.

    Each pair of rows is looked at once, in whatever shares it is.

    Parameters
    ----------
    x, y
        float64 of shape (row,), without NaN. If there are several sizes, y does not rise.
    levels_x, levels_y
        Their `levels`, or those that they have among more numbers.
    sizes
        Numbers of rows of the shares, ascending.
    """
    found, pairs, start = [], _Pairs(0, 0), 0
    counts_x, counts_y = (np.zeros(int(side.max()) + 1, np.int64) for side in (levels_x, levels_y))
    for size in sizes:
        new = slice(start, size)
        pairs += _pairs_within(levels_x[new], levels_y[new])
        if start:
            pairs += _pairs_with_earlier(levels_x[:size], levels_y[:size], start, counts_x)
        counts_x += np.bincount(levels_x[new], minlength=len(counts_x))
        counts_y += np.bincount(levels_y[new], minlength=len(counts_y))
        ranks, tau = float("nan"), float("nan")
        if np.count_nonzero(counts_x) > 1 and np.count_nonzero(counts_y) > 1:
            ranks = _cosine(
                _centred_ranks(counts_x)[levels_x[:size]], _centred_ranks(counts_y)[levels_y[:size]]
            )
            tau = _tau_of(size, pairs, _tied_pairs(counts_x), _tied_pairs(counts_y))
        found.append(Correlations(pearson(x[:size], y[:size]), ranks, tau))
        start = size
    return found


def levels(x: np.ndarray) -> np.ndarray:
    """For each number, how many different smaller ones there are."""
    # Accuracies repeat: a hash table finds the different ones, and only those are sorted.
    # It tells -0.0 from 0.0, which are equal; to an integer nothing is added, as it may be too long
    # for a float.
    encoded = pa.array(x + 0.0 if x.dtype.kind == "f" else x).dictionary_encode()
    ranks = np.empty(len(encoded.dictionary), np.int32)
    ranks[np.argsort(encoded.dictionary.to_numpy())] = np.arange(len(ranks), dtype=np.int32)
    return ranks[encoded.indices.to_numpy()]


def _ranks(counts: np.ndarray) -> np.ndarray:
    """Mean rank of each level."""
    return np.cumsum(counts) - (counts - 1) / 2


def _centred_ranks(counts: np.ndarray) -> np.ndarray:
    """`_centred` ranks of the levels, of which more than one must be there."""
    ranks = _ranks(counts) - (counts.sum() + 1) / 2
    there = ranks[counts > 0]
    return ranks / max(there.max(), -there.min())


class _Pairs(NamedTuple):
    """Numbers of pairs of rows: ordered one way by x and the other by y; equal in both."""

    discordant: int
    tied_in_both: int

    def __add__(self, other: object) -> _Pairs:
        if not isinstance(other, _Pairs):
            return NotImplemented
        return _Pairs(self.discordant + other.discordant, self.tied_in_both + other.tied_in_both)


def _tau_of(rows: int, found: _Pairs, tied_x: int, tied_y: int) -> float:
    pairs = rows * (rows - 1) // 2
    concordant = pairs - tied_x - tied_y + found.tied_in_both - found.discordant
    tau = (
        (concordant - found.discordant)
        / np.sqrt(float(pairs - tied_x))
        / np.sqrt(float(pairs - tied_y))
    )
    return float(np.clip(tau, -1.0, 1.0))


def _pairs_within(x: np.ndarray, y: np.ndarray) -> _Pairs:
    """Pairs of rows, by their levels."""
    (x, size_x), (y, size_y) = _dense(x), _dense(y)
    # The levels of x are cut into strips of 2**bits. Pairs of different strips are counted in a
    # table of strips by levels of y, which has about as many cells as there are numbers.
    bits = (size_x * size_y // len(x)).bit_length()
    wide = size_y.bit_length()
    if size_x.bit_length() + wide >= 32:
        x, y = x.astype(np.int64), y.astype(np.int64)
    strips, lowest = x >> bits, x & ((1 << bits) - 1)
    discordant = _discordant(strips, y, size_y)
    # Those of one strip are inversions of x, where y orders the numbers, and x orders equal y.
    both = np.sort((strips << wide | y) << bits | lowest)
    discordant += inversions(both >> (bits + wide) << bits | both & ((1 << bits) - 1), bits)
    ends = np.flatnonzero(np.append(both[1:] != both[:-1], True))
    return _Pairs(discordant, _tied_pairs(np.diff(ends, prepend=-1)))


def _pairs_with_earlier(x: np.ndarray, y: np.ndarray, start: int, counts: np.ndarray) -> _Pairs:
    """Pairs of the rows from ``start`` with those before; levels, y not rising.

    ``counts`` says how often each level of x is before. Its smaller ones are discordant, unless the
    level of y goes on.
    """
    on = y == y[start]
    alike = np.bincount(x[:start][on[:start]], minlength=len(counts))
    smaller = (np.cumsum(some) - some for some in (counts, alike))
    later = (x[start:], x[start:][on[start:]])
    everywhere, there = (int(s[levels].sum()) for s, levels in zip(smaller, later, strict=True))
    return _Pairs(everywhere - there, int(alike[later[1]].sum()))


def _dense(some: np.ndarray) -> tuple[np.ndarray, int]:
    """Levels of some numbers of which those among more numbers are known, and how many."""
    there = np.zeros(int(some.max()) + 1, dtype=bool)
    there[some] = True
    if there.all():
        return some, len(there)
    dense = np.cumsum(there, dtype=np.int32) - np.int32(1)
    return dense[some], int(dense[-1]) + 1


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
