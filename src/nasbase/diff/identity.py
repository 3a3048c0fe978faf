"""What is the same thing in two builds, although its number may differ.

``arch_id``, ``config_id`` and ``trial_id`` are numbers within one build (a rank, where upstream has
no index), so rows are matched by what they name: the architecture by its hash, its string or its
canonical specification; the configuration by its hyper-parameters; the training by all of these,
its data set, schedule and seed, and its place among trainings that agree in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nasbase.tables.catalogue import CONFIGURATION_COLUMNS

if TYPE_CHECKING:
    from nasbase.diff.sides import Side

ARCHITECTURE_KEYS = {
    "nb101": ("hash",),
    "nb201": ("arch_str",),
    "nats_tss": ("arch_str",),
    "nats_sss": ("arch_str",),
    "nds": ("model_family", "model_spec", "cell_spec"),
}
"""Columns of ``architectures`` that name an architecture in every release."""

CONFIGURATION_KEYS = (
    "dataset",
    *(column.name for column in CONFIGURATION_COLUMNS),
    "num_epochs",
)


@dataclass(frozen=True, slots=True)
class Codes:
    """Which things of two builds are the same: equal codes, one per id (-1: no such id)."""

    a: np.ndarray
    b: np.ndarray

    @property
    def unchanged(self) -> bool:
        """Whether every id means the same in both builds."""
        return np.array_equal(self.a, self.b)


def same_things(a: Side, b: Side) -> dict[str, Codes]:
    """Codes by the name of the id column: ``arch_id``, ``config_id`` (nds) and ``trial_id``."""
    sides = a, b
    keys = ("arch_id", *ARCHITECTURE_KEYS[a.build.benchmark])
    codes = {"arch_id": _codes_of(sides, "architectures", keys, {})}
    subject = ["arch_id"]
    if "configurations" in a.build.contents:
        keys = ("config_id", "arch_id", *CONFIGURATION_KEYS)
        codes["config_id"] = _codes_of(sides, "configurations", keys, codes)
        subject.append("config_id")
    keys = ("trial_id", *subject, "dataset", "num_epochs", "seed")
    codes["trial_id"] = _codes_of(sides, "trials", keys, codes)
    return codes


def _codes_of(
    sides: tuple[Side, Side], table: str, columns: Sequence[str], known: Mapping[str, Codes]
) -> Codes:
    """Codes of the first column, an id, by the others, which name what it stands for."""
    a, b = (side.columns(table, columns) for side in sides)
    codes = joint_codes(a.select(columns[1:]), b.select(columns[1:]), known)
    ids = a[columns[0]].to_numpy(), b[columns[0]].to_numpy()
    return Codes(_by_id(ids[0], codes[0]), _by_id(ids[1], codes[1]))


def _by_id(ids: np.ndarray, codes: np.ndarray) -> np.ndarray:
    by_id = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int64)
    by_id[ids] = codes
    return by_id


def joint_codes(
    a: pa.Table, b: pa.Table, known: Mapping[str, Codes]
) -> tuple[np.ndarray, np.ndarray]:
    """One integer per row of two tables, equal where the rows are, unique within each table.

    Rows that are equal within a table are told apart by their order. NULL equals NULL; an id that
    is ``known`` counts as what it stands for.
    """
    codes = np.zeros(len(a) + len(b), dtype=np.int64)
    for name in a.column_names:
        if name in known:
            sides = (known[name].a[a[name].to_numpy()], known[name].b[b[name].to_numpy()])
            column = np.unique(np.concatenate(sides), return_inverse=True)[1]
        else:
            both = pa.chunked_array([*a[name].chunks, *b[name].chunks], type=a[name].type)
            encoded = both.combine_chunks().dictionary_encode(null_encoding="encode")
            column = np.asarray(encoded.indices)
        codes = _combined(codes, column)
    codes = np.unique(codes, return_inverse=True)[1]
    places = [_place_among_equals(side) for side in np.split(codes, [len(a)])]
    codes = _combined(codes, np.concatenate(places))
    first, second = np.split(codes, [len(a)])
    return first, second


def _combined(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One number per pair of numbers that count from 0."""
    width = int(y.max(initial=0)) + 1
    if (int(x.max(initial=0)) + 1) * width >= 2**63:
        x = np.unique(x, return_inverse=True)[1]
    return x.astype(np.int64) * width + y


def _place_among_equals(codes: np.ndarray) -> np.ndarray:
    """For every number, how many equal ones stand before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(codes)])
    lengths = np.diff(np.append(starts, len(codes)))
    places = np.empty(len(codes), dtype=np.int64)
    places[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return places


def named_notes(notes: pa.Table, side: str, codes: Mapping[str, Codes]) -> pa.Table:
    """Notes with a column ``of``: their key, in which ids are replaced by what they stand for."""
    named = []
    for text in notes["key"].to_pylist():
        key = {} if text is None else json.loads(text)
        for name, value in key.items():
            if name in codes:
                key[name] = int(getattr(codes[name], side)[value])
        named.append(None if text is None else json.dumps(key, sort_keys=True))
    return notes.append_column("of", pa.array(named, pa.string()))
