"""Long tables (one row per trial and point) read as dense blocks of whole trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.store.parquet import read_batches
from nasbase.tables.catalogue import SAMPLE_SERIES, series

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
    for batch in read_batches(path, columns=columns):
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
        trial = rows["trial_id"].to_numpy()
        starts = np.flatnonzero(np.append(True, trial[1:] != trial[:-1]))
        counts = np.diff(np.append(starts, len(trial)))
        lengths = _lengths(rows, starts, counts, length)
        number = np.repeat(np.arange(len(starts)), counts)
        position = rows[point].to_numpy().astype(np.int64) - first_point
        first = rows.select([*dict.fromkeys(["trial_id", *about])]).take(pa.array(starts))
        values = [np.asarray(pc.fill_null(rows[name], 0.0)) for name in names]
        valid = [np.asarray(rows[name].is_valid()) for name in names]
        for chosen, size in _pieces(lengths, len(names)):
            place = np.full(len(starts), -1)
            place[chosen] = np.arange(len(chosen))
            inside = np.flatnonzero(place[number] >= 0)
            # Where each point goes in an array of shape (trial, point); mostly one after the other.
            goal = place[number[inside]] * size + position[inside]
            full = np.array_equal(goal, np.arange(len(chosen) * size))
            shape = (len(chosen), len(names), size)
            dense, present = np.zeros(shape), np.zeros(shape, dtype=bool)
            plane = (len(chosen), size)
            for i in range(len(names)):
                for target, source in ((dense, values[i]), (present, valid[i])):
                    points = source[inside]
                    target[:, i] = (
                        points.reshape(-1, size) if full else _spread(points, goal, plane)
                    )
            yield Block(first.take(pa.array(chosen)), dense, present)


def _spread(points: np.ndarray, goal: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """An array with the points where they belong, and zeros."""
    found = np.zeros(shape, dtype=points.dtype)
    found.ravel()[goal] = points
    return found


def _pieces(lengths: np.ndarray, num_series: int) -> Iterator[tuple[np.ndarray, int]]:
    """Trials of the same length, no more than `BLOCK_VALUES` allow, and that length."""
    for size in np.unique(lengths).tolist():
        trials = np.flatnonzero(lengths == size)
        most = max(1, BLOCK_VALUES // (num_series * size))
        for start in range(0, len(trials), most):
            yield trials[start : start + most], size


def _lengths(
    rows: pa.Table, starts: np.ndarray, counts: np.ndarray, length: str | int | None
) -> np.ndarray:
    if length is None:
        return counts
    if isinstance(length, int):
        return np.full(len(starts), length)
    return rows[length].to_numpy()[starts]
