"""Long tables (one row per trial and point) read as dense blocks of whole trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.store.parquet import read_batches
from nasbase.tables.arrow import joined, validity
from nasbase.tables.catalogue import SAMPLE_SERIES, series

ROWS = 262_144
"""Rows that are read at once."""

BLOCK_VALUES = 4 << 20
"""Most values of a block, the absent ones included: 32 MB."""


@dataclass(frozen=True, slots=True)
class Block:
    """Trials of the same length.

    Attributes
    ----------
    rows
        ``trial_id`` of each trial, and the other columns of the long table that were asked for.
    values
        float64 of shape (trial, series, point).
    present
        bool of the same shape; False where the long table has NULL or no row.
    """

    rows: pa.Table
    values: np.ndarray
    present: np.ndarray

    @property
    def length(self) -> int:
        """Points per series."""
        return self.values.shape[2]


def whole_trials(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Read a long table, or some of its columns, in pieces that never cut a trial in two."""
    rest: pa.Table | None = None
    for batch in read_batches(path, ROWS, columns):
        rows = batch if rest is None else pa.concat_tables([rest, batch])
        trial = rows["trial_id"].to_numpy()
        cut = int(np.searchsorted(trial, trial[-1]))
        rest = rows.slice(cut)
        if cut:
            yield rows.slice(0, cut).combine_chunks()
    if rest is not None and rest.num_rows:
        yield rest.combine_chunks()


def long_series(benchmark: str, table: str) -> list[str]:
    """Names of the series of a long table, in the order in which blocks and blobs hold them."""
    columns = series(benchmark) if table == "curves" else SAMPLE_SERIES
    return [column.name for column in columns]


def long_blocks(
    benchmark: str,
    table: str,
    path: Path,
    length: str | int = "num_epochs",
    about: Sequence[str] = (),
) -> Iterator[Block]:
    """Blocks of ``curves`` (``length`` points per trial) or ``iterations`` (as many as it has)."""
    names = long_series(benchmark, table)
    if table == "curves":
        return blocks(path, names, point="epoch", first_point=1, length=length, about=about)
    return blocks(path, names, point="sample", first_point=0, length=None, about=about)


def blocks(
    path: Path,
    names: Sequence[str],
    *,
    point: str,
    first_point: int,
    length: str | int | None,
    about: Sequence[str] = (),
) -> Iterator[Block]:
    """Read a long table as dense blocks.

    Parameters
    ----------
    path
        Parquet file of the long table, sorted by trial.
    names
        Names of the value columns.
    point
        Column that counts the points of a trial, and ``first_point``, the number of the first.
    length
        Number of points of a trial: a column that gives it, a number for all trials, or None: as
        many as the trial has rows.
    about
        Further columns, whose first value in each trial is wanted.
    """
    counted = [length] if isinstance(length, str) else []
    for rows in whole_trials(path, [*dict.fromkeys(["trial_id", point, *counted, *about, *names])]):
        for piece, size in _pieces(rows, length, BLOCK_VALUES // len(names)):
            starts, counts = _trials(piece)
            number = np.repeat(np.arange(len(starts)), counts)
            position = piece[point].to_numpy().astype(np.int64) - first_point
            # Where each point goes in an array of shape (trial, point); mostly one after the other.
            goal = number * size + position
            if np.array_equal(goal, np.arange(len(starts) * size)):
                goal = None
            shape = (len(starts), len(names), size)
            dense, present = np.zeros(shape), np.zeros(shape, dtype=bool)
            for i, name in enumerate(names):
                _fill(dense[:, i], present[:, i], piece[name], goal)
            first = piece.select([*dict.fromkeys(["trial_id", *about])])
            yield Block(first.take(pa.array(starts)), dense, present)


def _fill(
    dense: np.ndarray, present: np.ndarray, column: pa.ChunkedArray, goal: np.ndarray | None
) -> None:
    """Put the points of one series where they belong; None: one after the other."""
    if column.null_count == len(column):  # most splits were evaluated on some data sets alone
        return
    for target, source in ((dense, pc.fill_null(column, 0.0)), (present, validity(joined(column)))):
        points = np.asarray(source)
        if goal is None:
            target[:] = points.reshape(target.shape)
        else:
            target[np.divmod(goal, target.shape[1])] = points


def _pieces(rows: pa.Table, length: str | int | None, most: int) -> Iterator[tuple[pa.Table, int]]:
    """Rows of trials of the same length, with at most ``most`` points, absent ones too; the length.

    A trial is never cut in two, so one with more points stands alone.
    """
    starts, counts = _trials(rows)
    lengths = _lengths(rows, starts, counts, length)
    for size in np.unique(lengths).tolist():
        chosen = lengths == size
        alike = rows if chosen.all() else _filtered(rows, np.repeat(chosen, counts))
        ends = np.append(0, np.cumsum(counts[chosen]))
        trials = max(1, most // size)
        cuts = np.append(ends[:-1:trials], ends[-1]).tolist()
        for start, end in pairwise(cuts):
            yield alike.slice(start, end - start), size


def _filtered(rows: pa.Table, chosen: np.ndarray) -> pa.Table:
    """Some of the rows; column by column, which takes half the time of a whole table."""
    mask = pa.array(chosen)
    columns = [column.filter(mask) for column in rows.columns]
    return pa.table(columns, names=rows.column_names).combine_chunks()


def _trials(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """First row of each trial, and how many it has."""
    trial = rows["trial_id"].to_numpy()
    starts = np.flatnonzero(np.append(True, trial[1:] != trial[:-1]))
    return starts, np.diff(np.append(starts, len(trial)))


def _lengths(
    rows: pa.Table, starts: np.ndarray, counts: np.ndarray, length: str | int | None
) -> np.ndarray:
    if length is None:
        return counts
    if isinstance(length, int):
        return np.full(len(starts), length)
    return rows[length].to_numpy()[starts]
