"""A read-only mapping whose values are one float64 array."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np


class FloatMap(Mapping[Hashable, float]):
    """A dictionary of floats, kept as its keys and one array.

    The long per-epoch dictionaries of a release come out of a pickle in this form: it compares,
    iterates and looks up as the dictionary that it stands for, in the same order, and hands its
    numbers over without touching them one by one.

    Parameters
    ----------
    keys
        Distinct keys, in the dictionary's order.
    values
        One float64 per key; made read-only.
    """

    __slots__ = ("_positions", "keys_tuple", "values_array")

    def __init__(self, keys: tuple[Any, ...], values: np.ndarray) -> None:
        if values.dtype != np.float64 or values.shape != (len(keys),):
            raise ValueError(f"{len(keys)} keys need as many float64 values")
        values.flags.writeable = False
        self.keys_tuple = keys
        self.values_array = values
        self._positions: dict[Any, int] | None = None

    def __getitem__(self, key: Any) -> float:
        if self._positions is None:
            self._positions = {key: i for i, key in enumerate(self.keys_tuple)}
        return float(self.values_array[self._positions[key]])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys_tuple)

    def __len__(self) -> int:
        return len(self.keys_tuple)

    def __repr__(self) -> str:
        return f"FloatMap({dict(self)!r})"
