"""The points of one series of one trial that upstream released, as SQLite stores them."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasbase.store.series_blob import decode_one

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

Points = tuple[Sequence[int], Sequence[float]]
"""Epochs at which a value was released, and the values."""


def decoded(
    bench: Benchmark, data: bytes, length: int, series: str
) -> Sequence[float | None] | None:
    """One series of a blob, by epoch; None where it is absent."""
    try:
        return decode_one(data, len(bench.series), length, bench.series[series])
    except (ValueError, IndexError) as error:
        raise bench.database.damaged(error) from error


def points_of(bench: Benchmark, trial_id: int, series: str) -> Points:
    """Released points of one series of one trial; ``series`` is one of ``bench.series``."""
    if bench.name == "nb101":
        return _rows(bench, trial_id, series)
    row = bench.database.row(
        "SELECT length, data FROM trial_curves WHERE trial_id = ?", (trial_id,)
    )
    if row is None:
        return (), ()
    length, data = row
    values = decoded(bench, data, length, series)
    if values is None:
        return (), ()
    if type(values) is array:  # every point is there
        return range(1, length + 1), values
    points = [(epoch, value) for epoch, value in enumerate(values, 1) if value is not None]
    return tuple(epoch for epoch, _ in points), tuple(value for _, value in points)


def _rows(bench: Benchmark, trial_id: int, series: str) -> Points:
    """NAS-Bench-101: three rows per trial instead of a blob; NULL where a note says NaN."""
    points = {}
    for epoch, value in bench.database.rows(
        f"SELECT epoch, {series} FROM curves WHERE trial_id = ? ORDER BY epoch", (trial_id,)
    ):
        if value is not None:
            points[epoch] = value
        elif _is_nan(bench, trial_id, epoch, series):
            points[epoch] = float("nan")
    return tuple(points), tuple(points.values())


def _is_nan(bench: Benchmark, trial_id: int, epoch: int, series: str) -> bool:
    key = f'{{"trial_id": {trial_id}, "epoch": {epoch}}}'
    return any(note.column == series for note in bench.notes("curves", key, kind="nan"))
