"""How the values of aligned rows differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.diff.result import ColumnDiff
from nasbase.tables.columns import Column

EXACT = 1_000_000
"""Differences of a column that are kept for an exact median; more are counted in classes."""

_STEP = np.log(1.01)
"""Width of a class of differences, on the logarithmic scale."""


class ColumnComparison:
    """Collects how one column differs, block by block of aligned rows."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._rows = self._appeared = self._vanished = self._numbers = 0
        self._largest = -1.0
        self._largest_row: int | None = None
        self._largest_values: tuple[Any, Any] = (None, None)
        self._magnitudes = Magnitudes()

    def add(self, a: pa.ChunkedArray, b: pa.ChunkedArray, rows: np.ndarray) -> np.ndarray:
        """Compare a block; ``rows`` are its row numbers in the first build.

        Returns
        -------
        numpy.ndarray
            Which rows of the block differ.
        """
        a, b = _whole(a), _whole(b)
        null_a, null_b = np.asarray(a.is_null()), np.asarray(b.is_null())
        numeric = pa.types.is_integer(a.type) or pa.types.is_floating(a.type)
        if numeric:
            x, y = (np.asarray(pc.fill_null(side, 0)) for side in (a, b))
            unequal = _bits_differ(x, y)
        else:
            unequal = np.asarray(pc.fill_null(pc.not_equal(a, b), False))
        differs = np.where(null_a | null_b, null_a != null_b, unequal)
        where = np.flatnonzero(differs)
        if not len(where):
            return differs
        self._rows += len(where)
        self._appeared += int((null_a & ~null_b).sum())
        self._vanished += int((null_b & ~null_a).sum())
        first = int(where[0])
        if numeric:
            valued = where[~(null_a | null_b)[where]]
            with np.errstate(invalid="ignore"):  # inf - inf
                sizes = np.abs(x[valued].astype(np.float64) - y[valued])
            finite = np.isfinite(sizes)
            sizes, valued = sizes[finite], valued[finite]
            self._numbers += len(sizes)
            self._magnitudes.add(sizes)
            if len(sizes) and sizes.max() > self._largest:
                first = int(valued[np.argmax(sizes)])
                self._largest, self._largest_row = float(sizes.max()), None
        if self._largest_row is None:
            self._largest_row = int(rows[first])
            self._largest_values = a[first].as_py(), b[first].as_py()
        return differs

    def result(self, key: dict[str, Any]) -> ColumnDiff:
        """What was found; ``key`` names the row of the largest difference."""
        return ColumnDiff(
            column=self.column.name,
            unit=self.column.unit,
            provenance=self.column.origin == "provenance",
            rows=self._rows,
            appeared=self._appeared,
            vanished=self._vanished,
            numbers=self._numbers,
            largest=self._largest if self._numbers else None,
            median=self._magnitudes.median() if self._numbers else None,
            median_is_exact=self._magnitudes.exact,
            largest_at={**key, "a": self._largest_values[0], "b": self._largest_values[1]},
        )

    @property
    def row(self) -> int | None:
        """Row, in the first build, of the largest difference; None where nothing differs."""
        return self._largest_row


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One array; pyarrow gives a chunked one where there is no chunk."""
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _bits_differ(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether two numbers differ in any bit: 0 and -0 do, NaN and NaN do not."""
    if x.dtype != np.float64 or y.dtype != np.float64:
        return x != y
    bits = np.ascontiguousarray(x).view(np.int64) != np.ascontiguousarray(y).view(np.int64)
    return bits & ~(np.isnan(x) & np.isnan(y))


class Magnitudes:
    """Sizes of many differences, for their median: exact for a million, in classes beyond."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._classes: dict[int, int] = {}
        self._count = 0
        self.exact = True

    def add(self, sizes: np.ndarray) -> None:
        """Count the sizes of a block; they are finite and not negative."""
        self._count += len(sizes)
        self._kept.append(sizes)
        if self._count > EXACT:
            self.exact = False
            self._classify(np.concatenate(self._kept))
            self._kept = []

    def _classify(self, sizes: np.ndarray) -> None:
        # Zero (a sign that changed) has a class below every other.
        with np.errstate(divide="ignore"):
            logs = np.log(sizes)
        classes = np.where(sizes > 0, np.round(logs / _STEP), -(2**31)).astype(np.int64)
        for number, count in zip(*np.unique(classes, return_counts=True), strict=True):
            self._classes[int(number)] = self._classes.get(int(number), 0) + int(count)

    def median(self) -> float:
        """The median: of an even count, the mean of the middle two where it is exact."""
        if self.exact:
            return float(np.median(np.concatenate(self._kept)))
        numbers = sorted(self._classes)
        reached = np.cumsum([self._classes[number] for number in numbers])
        middle = numbers[int(np.searchsorted(reached, reached[-1] / 2))]
        return 0.0 if middle == -(2**31) else float(np.exp(middle * _STEP))
