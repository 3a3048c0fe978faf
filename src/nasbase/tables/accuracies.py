"""Accuracies after the last epoch of all networks of a build, as arrays by id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.store.parquet import open_parquet
from nasbase.tables.roles import ROLES

NO_SEED = -1

_Pieces = list[tuple[np.ndarray, np.ndarray]]
"""Ids of some networks and their numbers, piece by piece."""


class Point(NamedTuple):
    """What was measured: one number per network.

    ``run`` is None for the mean over the runs.
    """

    dataset: str
    split: str
    num_epochs: int
    run: int | None = None


class Accuracies:
    """Accuracies of the splits that have a role, read from ``means`` and ``trials``.

    Only the columns that are needed are read, row group by row group. What is held is an id and a
    float64 per number that was released, 135 MB for the whole of NAS-Bench-101; an array of all
    networks is made when it is asked for, because nds has hundreds of points and at each of them
    few networks.

    Attributes
    ----------
    subject
        ``config_id`` for nds, else ``arch_id``: arrays are indexed by it.
    size
        Length of the arrays.
    choosing
        The role that is not ``test``: ``valid``; nds has no validation split, so ``train``.
    """

    def __init__(self, benchmark: str, folder: Path) -> None:
        self.benchmark = benchmark
        self.subject = "config_id" if benchmark == "nds" else "arch_id"
        self.choosing = "train" if benchmark == "nds" else "valid"
        self.splits = tuple(
            dict.fromkeys(
                roles[role][1]
                for roles in ROLES[benchmark].values()
                for role in (self.choosing, "test")
            )
        )
        self.size = 0
        self._values: dict[Point, _Pieces] = defaultdict(list)
        self._runs: dict[tuple[str, int], _Pieces] = defaultdict(list)
        self._seeds: dict[tuple[str, int, int], _Pieces] = defaultdict(list)
        self._read_means(folder / "means.parquet")
        self._read_trials(folder / "trials.parquet")

    # ------------------------------------------------------------------ what is there

    def schedules(self, dataset: str) -> list[int]:
        """Lengths of the schedules that networks were trained with on a data set."""
        return sorted(epochs for name, epochs in self._runs if name == dataset)

    def mean(self, dataset: str, split: str, num_epochs: int) -> np.ndarray:
        """Mean over the runs of each network; NaN where there is none."""
        return self.at(Point(dataset, split, num_epochs))

    def at(self, point: Point) -> np.ndarray:
        """Numbers of a point by id; NaN where there is none."""
        return self._array(self._values.get(point, []), np.full(self.size, np.nan))

    def runs(self, dataset: str, split: str, num_epochs: int) -> list[Point]:
        """The points of single runs."""
        found = [p for p in self._values if p[:3] == (dataset, split, num_epochs)]
        return sorted((p for p in found if p.run is not None), key=lambda p: p.run or 0)

    def count(self, dataset: str, num_epochs: int) -> np.ndarray:
        """Number of runs of each network; 0 where it was not trained so."""
        pieces = self._runs.get((dataset, num_epochs), [])
        return self._array(pieces, np.zeros(self.size, dtype=np.int16))

    def seed(self, dataset: str, num_epochs: int, run: int, subject: int) -> int | None:
        """Seed of one run; None where none was released."""
        for ids, seeds in self._seeds.get((dataset, num_epochs, run), []):
            for row in np.flatnonzero(ids == subject).tolist():
                return None if seeds[row] == NO_SEED else int(seeds[row])
        return None

    @staticmethod
    def _array(pieces: _Pieces, empty: np.ndarray) -> np.ndarray:
        for ids, values in pieces:
            empty[ids] = values
        return empty

    # ------------------------------------------------------------------ reading

    def _read_means(self, path: Path) -> None:
        columns = [f"{split}_acc_pct_mean" for split in self.splits]
        with open_parquet(path, ["dataset"]) as file:
            for batch in file.iter_batches(columns=[self.subject]):
                if batch.num_rows:
                    self.size = max(self.size, pc.max(batch[self.subject]).as_py() + 1)
            names = [self.subject, "dataset", "num_epochs", "n", *columns]
            for batch in file.iter_batches(columns=names):
                for (dataset, epochs), rows in _parts(batch, ["dataset", "num_epochs"]):
                    ids = rows[self.subject].to_numpy()
                    self._runs[dataset, epochs].append((ids, rows["n"].to_numpy()))
                    for split, column in zip(self.splits, columns, strict=True):
                        self._put(Point(dataset, split, epochs), ids, rows[column])

    def _read_trials(self, path: Path) -> None:
        columns = [f"{split}_acc_pct" for split in self.splits]
        key = ["dataset", "num_epochs", "run"]
        with open_parquet(path, ["dataset"]) as file:
            for batch in file.iter_batches(columns=[self.subject, *key, "seed", *columns]):
                for (dataset, epochs, run), rows in _parts(batch, key):
                    ids = rows[self.subject].to_numpy()
                    if rows["seed"].null_count < rows.num_rows:
                        seeds = pc.fill_null(rows["seed"], NO_SEED).to_numpy()
                        self._seeds[dataset, epochs, run].append((ids, seeds))
                    for split, column in zip(self.splits, columns, strict=True):
                        self._put(Point(dataset, split, epochs, run), ids, rows[column])

    def _put(self, point: Point, ids: np.ndarray, values: pa.Array) -> None:
        if values.null_count < len(values):  # most splits exist on some data sets alone
            array = values.to_numpy(zero_copy_only=False)  # NULL becomes NaN
            self._values[point].append((ids, array))


def _parts(batch: pa.RecordBatch, key: list[str]) -> Iterator[tuple[tuple, pa.RecordBatch]]:
    """The rows of a batch by the values of some columns, without these columns."""
    codes = np.zeros(batch.num_rows, dtype=np.int64)  # one number for the values of all of them
    for name in key:
        column = batch[name].dictionary_encode()
        codes = codes * len(column.dictionary) + column.indices.to_numpy()
    rest = batch.drop_columns(key)
    for code in np.flatnonzero(np.bincount(codes)):
        rows = np.flatnonzero(codes == code)
        values = tuple(batch[name][int(rows[0])].as_py() for name in key)
        yield values, rest.take(pa.array(rows))
