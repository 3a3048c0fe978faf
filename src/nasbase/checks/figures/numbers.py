"""The numbers of a build that figures are computed from."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.checks.check import Artifacts
from nasbase.tables.accuracies import Accuracies


class NotComparableError(Exception):
    """A figure says nothing of this build, for a reason that is no mistake of the build."""


class NoNumberError(Exception):
    """The build does not hold a number that the release has."""


class Numbers:
    """Lazy access to the Parquet tables of one build."""

    def __init__(self, artifacts: Artifacts) -> None:
        self.artifacts = artifacts

    @cached_property
    def accuracies(self) -> Accuracies:
        """Means and single runs of all networks."""
        return Accuracies(self.artifacts.benchmark, self.artifacts.folder)

    def mean(self, where: list) -> np.ndarray:
        """Mean accuracy by id; ``where`` is data set, split and schedule."""
        return self.accuracies.mean(*where)

    def read(self, table: str, columns: list[str], **equal: Any) -> pa.Table:
        """Some columns of the rows of a table in which other columns have the given values."""
        filters = [(name, "==", value) for name, value in equal.items()] or None
        path = self.artifacts.path(table)
        return pq.read_table(path, columns=columns, filters=filters)

    def arch_id(self, architecture: int | str) -> int:
        """Id of an architecture given by id or by hash (nb101)."""
        if isinstance(architecture, int):
            return architecture
        found = self.read("architectures", ["arch_id"], hash=architecture)
        if found.num_rows != 1:
            raise NoNumberError(f"no cell {architecture}")
        return found["arch_id"][0].as_py()

    def costs(self, dataset: str, column: str) -> np.ndarray:
        """A computed size by ``arch_id``; NaN where there is none."""
        rows = self.read("costs", ["arch_id", column], dataset=dataset)
        return by_id(rows["arch_id"], rows[column], self.accuracies.size)


def by_id(ids: pa.ChunkedArray, values: pa.ChunkedArray, size: int) -> np.ndarray:
    """Numbers as float64 by id; NaN where there is none."""
    found = np.full(size, np.nan)
    found[ids.to_numpy()] = pc.cast(values, pa.float64()).to_numpy()
    return found
