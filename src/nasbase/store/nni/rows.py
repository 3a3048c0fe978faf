"""Rows written in the order of the Parquet tables and read back in the order of NNI's ids."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa

from nasbase.store.nni.schema import Table

PIECE_ROWS = 32_768
"""Most rows that are read back at once, unless one training has more."""

_TYPES = {"INTEGER": "<i8", "REAL": "<f8"}


class RowFile:
    """Rows of one NNI table, in a nameless temporary file.

    NNI numbers rows in the order of the raw files, Parquet tables have an order of their own. The
    rows of one training stand together in both; so they are appended as they come, and read back
    training by training, whatever the size of the release.

    Parameters
    ----------
    table
        The NNI table.
    trainings
        Number of trainings in the release.
    folder
        Where the temporary file lives.

    Attributes
    ----------
    counts
        Rows of each training, by ``trial_id``.
    fits
        Whether every row of a training can be stored: no NaN where NNI's column refuses NULL.
    """

    def __init__(self, table: Table, trainings: int, folder: Path) -> None:
        self.table = table
        self.counts = np.zeros(trainings, dtype=np.int32)
        self.fits = np.ones(trainings, dtype=bool)
        own = [(column.name, _TYPES[column.type]) for column in table.columns]
        self._dtype = np.dtype([("id", "<i8"), *own])
        self._required = [c.name for c in table.columns if c.type == "REAL" and not c.null]
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (see close)

    def append(self, trial_id: np.ndarray, columns: Mapping[str, Any]) -> None:
        """Append rows.

        Parameters
        ----------
        trial_id
            Training of each row, ascending over all calls.
        columns
            Values of every column but ``id`` and the one that names the row above. NaN is NULL.
        """
        rows = np.zeros(len(trial_id), dtype=self._dtype)
        for name, values in columns.items():
            rows[name] = values
        starts = np.flatnonzero(np.diff(trial_id, prepend=-1))
        # A training may go on in the next call, but is never met twice in one.
        self.counts[trial_id[starts]] += np.diff(starts, append=len(trial_id)).astype(np.int32)
        for name in self._required:
            self.fits[trial_id[np.isnan(rows[name])]] = False
        self._file.write(rows.view("u1").data)

    def read(self, order: np.ndarray, above: np.ndarray) -> Iterator[pa.Table]:
        """Rows with their ids, in pieces.

        Parameters
        ----------
        order
            Trainings (``trial_id``) in the order of NNI's ids.
        above
            For each of them the id of the row above.
        """
        ends = np.cumsum(self.counts, dtype=np.int64)
        step = max(1, PIECE_ROWS // int(self.counts.max(initial=1)))
        number = 1
        for start in range(0, len(order), step):
            piece = order[start : start + step]
            own, last = self.counts[piece], ends[piece]
            rows = self._read(last - own, last)
            rows["id"] = np.arange(number, number + len(rows))
            rows[self.table.parent] = np.repeat(above[start : start + step], own)
            number += len(rows)
            yield pa.table({name: np.ascontiguousarray(rows[name]) for name in self.table.names})

    def _read(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Rows of trainings that lie in the file from ``starts`` to ``ends``."""
        apart = np.flatnonzero(starts[1:] != ends[:-1]) + 1
        runs = zip(starts[[0, *apart]], ends[[*(apart - 1), -1]], strict=True)
        rows = np.empty(int((ends - starts).sum()), dtype=self._dtype)
        done = 0
        for start, end in runs:
            self._file.seek(int(start) * self._dtype.itemsize)
            count = int(end - start)
            self._file.readinto(rows[done : done + count].view("u1").data)  # type: ignore[attr-defined]
            done += count
        return rows

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()


class Content(NamedTuple):
    """What a benchmark puts into its database.

    Attributes
    ----------
    configs
        Rows of the first table, in pieces, with their ids.
    trials, intermediates
        Rows of the other two.
    order
        Trainings (``trial_id``) in the order of NNI's ids; those that are not in it are left out.
    config_of
        For each of them the id of its configuration.
    """

    configs: Iterator[Iterable[tuple]]
    trials: RowFile
    intermediates: RowFile
    order: np.ndarray
    config_of: np.ndarray


def numbers(rows: pa.Table, column: str) -> np.ndarray:
    """A float column as NNI stores it: NULL and NaN are the same."""
    return rows[column].to_numpy()


def recorded(rows: pa.Table, column: str, find: Callable[[Mapping[str, Any]], Any]) -> np.ndarray:
    """A recorded number as float64, NaN where there is none.

    What does not fit the column (several latencies, a count that is no whole number) stands in
    ``extra`` as upstream wrote it: ``find`` looks for it there, where the column is NULL.
    """
    found = rows[column].cast(pa.float64(), safe=False).to_numpy()
    if not rows[column].null_count:
        return found
    found = found.copy()
    for i in np.flatnonzero(np.asarray(rows[column].is_null())):
        value = find(json.loads(rows["extra"][i].as_py() or "{}"))
        if type(value) in (int, float):
            found[i] = value
    return found
