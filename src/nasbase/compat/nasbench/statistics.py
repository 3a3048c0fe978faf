"""``fixed_statistics`` and ``computed_statistics``: upstream's dicts, read when they are asked."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

FixedStat = dict[str, Any]
Repeat = dict[str, float]

_METRICS = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
_KEYS = tuple(f"{point}_{metric}" for point in ("halfway", "final") for metric in _METRICS)

_FLOATS = struct.Struct("<6f")

_POINTS = """
SELECT num_epochs, elapsed_train_time_s, train_acc_pct, valid_acc_pct, test_acc_pct
FROM (SELECT trial_id, source_file, source_pos FROM trials WHERE {trials}) AS trial
JOIN curves USING (trial_id) ORDER BY source_file, source_pos, epoch
"""
_OF_HASH = "arch_id = (SELECT arch_id FROM architectures WHERE hash = ?)"
_ALL = _POINTS.format(trials=_OF_HASH)
_SCHEDULE = _POINTS.format(trials=f"{_OF_HASH} AND num_epochs = ?")

_FIXED = """
SELECT adjacency, operations,
    (SELECT params FROM trials WHERE arch_id = cell.arch_id ORDER BY source_file, source_pos)
FROM architectures AS cell WHERE hash = ?
"""
_FIRST_APPEARANCE = """
SELECT hash FROM architectures
JOIN (SELECT arch_id, min(source_pos) AS first FROM trials GROUP BY arch_id) USING (arch_id)
ORDER BY first
"""


class Statistics(Mapping[str, Any]):
    """What upstream keeps per hash of a release, in the order in which the release names them.

    Every look-up gives objects of its own: what a caller changes in them stays with the caller.
    """

    def __init__(self, bench: Benchmark) -> None:
        self._bench = bench
        # Rows, not what is made of them: a search asks about its best cells often.
        self._rows = lru_cache(maxsize=2048)(bench.database.rows)

    def __reduce__(self) -> tuple:
        return type(self), (self._bench,)

    def __len__(self) -> int:
        return len(self._bench)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hashes)

    def __contains__(self, module_hash: object) -> bool:
        try:
            key = _text(module_hash)
        except KeyError:
            return False
        sql = "SELECT 1 FROM architectures WHERE hash = ?"
        return self._bench.database.row(sql, (key,)) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} cells of {self._bench.label}>"

    @cached_property
    def _hashes(self) -> list[str]:
        return [text for (text,) in self._bench.database.stream(_FIRST_APPEARANCE)]


class FixedStatistics(Statistics):
    """Hash -> adjacency matrix, operations and number of parameters, as released."""

    def __getitem__(self, module_hash: str) -> FixedStat:
        rows = self._rows(_FIXED, (_text(module_hash),))
        if not rows:
            raise KeyError(module_hash)
        adjacency, operations, params = rows[0]
        size = math.isqrt(len(adjacency))
        bits = np.frombuffer(adjacency.encode(), np.int8) - np.int8(ord("0"))
        return {
            "module_adjacency": bits.reshape(size, size),
            "module_operations": operations.split(","),
            "trainable_parameters": params,
        }


class ComputedStatistics(Statistics):
    """Hash -> epochs -> repeats, each with its metrics halfway and at the end."""

    def __getitem__(self, module_hash: str) -> dict[int, list[Repeat]]:
        return self._read(_ALL, (_text(module_hash),), module_hash)

    def of_schedule(self, module_hash: str, epochs: int) -> list[Repeat]:
        """The repeats of one schedule alone.

        Raises
        ------
        KeyError
            If the cell was not trained so.
        """
        return self._read(_SCHEDULE, (module_hash, int(epochs)), epochs)[epochs]

    def _read(self, sql: str, parameters: tuple, wanted: object) -> dict[int, list[Repeat]]:
        points = self._rows(sql, parameters)
        if not points:
            raise KeyError(wanted)
        found: dict[int, list[Repeat]] = {}
        # Every trial has three points; upstream leaves out the one before training.
        for at in range(0, len(points), 3):
            repeat = dict(zip(_KEYS, _released(points[at + 1], points[at + 2]), strict=True))
            found.setdefault(points[at][0], []).append(repeat)
        return found


def _released(halfway: tuple, final: tuple) -> tuple[float, ...]:
    """Seconds and fractions as they stand in the release, from two points of a training.

    Fractions are float32 in the release, widened; tables hold 100 times that in float64, so the
    nearest float32 of a hundredth is the released value to the last bit. SQLite holds NaN as NULL.
    """
    _, half_time, *percent = (math.nan if value is None else value for value in halfway)
    _, full_time, *more = (math.nan if value is None else value for value in final)
    fractions = _FLOATS.unpack(_FLOATS.pack(*[value / 100 for value in (*percent, *more)]))
    return (half_time, *fractions[:3], full_time, *fractions[3:])


def _text(module_hash: object) -> str:
    """A key as SQLite takes it; any other is in no release (`KeyError`), as in a dict."""
    hash(module_hash)  # TypeError, as in a dict
    if not (isinstance(module_hash, str) and module_hash.isascii()):
        raise KeyError(module_hash)
    return module_hash
