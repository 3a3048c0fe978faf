"""The check that the tables hold what the raw files say, by a second reading of these."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks import room_of
from nasbase.benchmarks.reread import Place, Reread
from nasbase.benchmarks.room import RawRelease
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.store.build import read_build
from nasbase.tables.catalogue import SAMPLE_SERIES, series, tables

Extent = Literal["sample", "all"]

SAMPLE = 30
"""Architectures that are read again where not all are."""

CHUNK = 500
"""Trials that are compared at once."""

_PLACE = ("source_file", "source_group", "source_pos", "source_offset", "source_bytes")

Rows = list[dict[str, Any]]


def raw_checks(raw: RawRelease, extent: Extent) -> list[Check]:
    """The check of this module.

    Parameters
    ----------
    raw
        The raw release that the tables were made of.
    extent
        ``sample``: some architectures, drawn by the build's version; ``all``: every one.
    """
    which = "every architecture" if extent == "all" else f"{SAMPLE} architectures"
    if extent == "sample" and room_of(raw.benchmark).rereads_from_start(raw):
        which = f"the first {SAMPLE} architectures of the file"
    claim = f"A second, plain reading of the raw files finds the same numbers: {which}."
    return [Check("all.raw", claim, partial(_compare_raw, raw=raw, extent=extent), long=True)]


def _compare_raw(
    artifacts: Artifacts, outcome: Outcome, *, raw: RawRelease, extent: Extent
) -> None:
    room = room_of(artifacts.benchmark)
    located = _Located(artifacts)
    if extent == "sample":
        located.choose(from_start=room.rereads_from_start(raw))
    try:
        again = room.reread(raw, located.places())
        while chunk := list(islice(again, CHUNK)):
            found = [(located.trial(one), one) for one in chunk if not located.left_out(one)]
            _compare(artifacts, found, outcome)
        for name in room.unread(raw, located.files):
            outcome.count(1, [f"no trial comes from {name} of the raw archive"])
    # Whatever the plain reader stumbles over, the check has failed; it must still be reported.
    except Exception as error:
        outcome.count(1, [f"the second reading stopped: {type(error).__name__}: {error}"])
    for place in located.missed():
        outcome.count(1, [f"{place} was not found again in the raw files"])


class _Located:
    """Where the trials stand in the raw files: all of them, or those of some architectures."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._version = read_build(artifacts.folder).version
        names = set(tables(artifacts.benchmark)["trials"].names)
        columns = ["trial_id", "arch_id", *(name for name in _PLACE if name in names)]
        # Of millions of trials: the names of files and groups are kept once.
        pieces = [_encoded(rows) for rows in artifacts.batches("trials", columns)]
        self._rows = _in_file_order(pa.concat_tables(pieces).unify_dictionaries())
        self.files = _ends(self._rows)
        self._left_out = self._rows.slice(0, 0)
        self._open: dict[tuple[str, str | None, int], int] = {}

    def choose(self, *, from_start: bool) -> None:
        """Keep the trials of some architectures; among them that of the first entry of the file."""
        order = pc.unique(self._rows["arch_id"]).to_pylist()
        if not from_start:
            rng = random.Random(self._version)
            order = [*order[:1], *rng.sample(order, min(SAMPLE, len(order)))]
        chosen = pa.array(order[:SAMPLE], self._rows["arch_id"].type)
        here = pc.is_in(self._rows["arch_id"], value_set=chosen)
        self._left_out, self._rows = self._rows.filter(pc.invert(here)), self._rows.filter(here)

    def places(self) -> Iterator[Place]:
        """The places in file order; each is expected to come back."""
        for batch in self._rows.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                place = Place(*(row.get(name) for name in _PLACE))
                self._open[place[:3]] = row["trial_id"]
                yield place

    def trial(self, again: Reread) -> int | None:
        """The trial that stands where one was found again; None if the tables have none."""
        return self._open.pop(again.place[:3], None)

    def left_out(self, again: Reread) -> bool:
        """Whether a trial that came unasked is one of an architecture that was not chosen."""
        if again.place[:3] in self._open or not self._left_out.num_rows:
            return False
        there: Any = True
        for name, value in zip(_PLACE[:3], again.place, strict=False):
            if value is not None:
                there = pc.and_(pc.equal(self._left_out[name], value), there)
        return bool(pc.any(there).as_py())

    def missed(self) -> Iterable[tuple[str, str | None, int]]:
        """Places that did not come back."""
        return self._open


def _ends(rows: pa.Table) -> dict[str, int]:
    """The raw files, and where the last entry that has a trial ends (0: files have no entries)."""
    if "source_offset" not in rows.column_names:
        return dict.fromkeys(pc.unique(rows["source_file"]).to_pylist(), 0)
    ends = pc.fill_null(pc.add(rows["source_offset"], rows["source_bytes"]), 0)
    last = pa.table([rows["source_file"], ends], ["file", "end"])
    last = last.group_by("file").aggregate([("end", "max")])
    return dict(zip(last["file"].to_pylist(), last["end_max"].to_pylist(), strict=True))


def _encoded(rows: pa.Table) -> pa.Table:
    """The same rows, texts as dictionaries."""
    columns = [c.dictionary_encode() if pa.types.is_string(c.type) else c for c in rows.columns]
    return pa.table(columns, names=rows.column_names)


def _in_file_order(rows: pa.Table) -> pa.Table:
    names = ("source_file", "source_offset", "source_group", "source_pos")
    keys = [_rank(rows[name]) for name in names if name in rows.column_names]
    return rows.take(pa.array(np.lexsort(keys[::-1]).astype(np.int32)))


def _rank(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers that are ordered as the values of a column are; NULL is the last."""
    if not pa.types.is_dictionary(column.type):
        return np.asarray(pc.fill_null(column, np.iinfo(column.type.to_pandas_dtype()).max))
    codes = column.combine_chunks()
    texts = codes.dictionary
    place = np.empty(len(texts) + 1, np.int32)
    place[np.asarray(pc.array_sort_indices(texts))] = np.arange(len(texts))
    place[-1] = len(texts)
    return place[np.asarray(pc.fill_null(codes.indices, len(texts)))]


# ---------------------------------------------------------------------------------------------
# comparing


def _compare(
    artifacts: Artifacts, found: Sequence[tuple[int | None, Reread]], outcome: Outcome
) -> None:
    ids = [trial for trial, _ in found if trial is not None]
    trials = {row["trial_id"]: row for row in _rows(artifacts, "trials", "trial_id", ids)}
    cells = sorted({row["arch_id"] for row in trials.values()})
    architectures = {r["arch_id"]: r for r in _rows(artifacts, "architectures", "arch_id", cells)}
    curves = _grouped(_rows(artifacts, "curves", "trial_id", ids))
    configurations: dict[int, dict[str, Any]] = {}
    if "configurations" in tables(artifacts.benchmark):
        known = [row["config_id"] for row in trials.values()]
        rows = _rows(artifacts, "configurations", "config_id", known)
        configurations = {row["config_id"]: row for row in rows}
    samples: dict[int, Rows] = {}
    if "iterations" in tables(artifacts.benchmark):
        samples = _grouped(_rows(artifacts, "iterations", "trial_id", ids))
    for trial, again in found:
        if trial is None:
            outcome.count(1, [f"{tuple(again.place)} stands in the raw files alone"])
            continue
        row = trials[trial]
        pairs = [
            *_scalars(row, architectures[row["arch_id"]], again),
            *_points(artifacts.benchmark, row, curves.get(trial, []), again),
            *_samples(samples.get(trial, []), again),
            *_extra(row["extra"], again),
            *_configured(configurations.get(row.get("config_id", -1)), row, again),
        ]
        bad = [f"trial {trial}: {what}: {ours!r:.100}, raw {raw!r:.100}"
               for what, ours, raw in pairs if not _same(ours, raw)]  # fmt: skip
        outcome.count(len(pairs), bad[:5], failed=len(bad))


Pair = tuple[str, Any, Any]
"""What is compared, what the tables say, what the raw files say."""


def _scalars(row: Mapping[str, Any], cell: Mapping[str, Any], again: Reread) -> Iterator[Pair]:
    for name, value in again.architecture.items():
        yield name, cell[name], value
    for name, value in again.values.items():
        yield name, row[name], value
    for name, value in zip(_PLACE, again.place, strict=True):
        if name in row:
            yield name, row[name], value


def _configured(
    configuration: Mapping[str, Any] | None, row: Mapping[str, Any], again: Reread
) -> Iterator[Pair]:
    """NDS: how the training was configured, and that it stands under its own network."""
    if configuration is not None:
        yield "arch_id of its configuration", configuration["arch_id"], row["arch_id"]
    for name, value in again.configuration.items():
        yield name, (configuration or {}).get(name), value


def _points(benchmark: str, row: Mapping[str, Any], points: Rows, again: Reread) -> Iterator[Pair]:
    """Every series at every epoch that either side has, and its last value in ``trials``."""
    ours = {point["epoch"]: point for point in points}
    epochs = sorted(ours.keys() | {epoch for curve in again.curves.values() for epoch in curve})
    for column in series(benchmark):
        name = column.name
        curve = again.curves.get(name, {})
        for epoch in epochs:
            stored = ours[epoch][name] if epoch in ours else None
            yield f"{name} at epoch {epoch}", stored, curve.get(epoch)
        yield name, row[name], curve.get(row["num_epochs"])
    unknown = again.curves.keys() - {column.name for column in series(benchmark)}
    for name in sorted(unknown):
        yield name, None, again.curves[name]


def _samples(rows: Rows, again: Reread) -> Iterator[Pair]:
    longest = max(map(len, again.samples.values()), default=0)
    yield "samples", len(rows), longest
    for number, row in enumerate(rows):
        yield f"number of sample {number}", row["sample"], number
    for column in SAMPLE_SERIES:
        values = again.samples.get(column.name, ())
        for number, row in enumerate(rows[:longest]):
            raw = float(values[number]) if number < len(values) else None
            yield f"{column.name} of sample {number}", row[column.name], raw


def _extra(stored: str | None, again: Reread) -> Iterator[Pair]:
    """What no column holds, key by key as JSON: 1, 1.0 and true are three things."""
    sides = json.loads(stored or "{}"), again.extra
    for key in sorted({*sides[0], *sides[1]}):
        ours, raw = (json.dumps(s[key], sort_keys=True) if key in s else None for s in sides)
        yield f"extra, {key}", ours, raw


def _same(ours: Any, raw: Any) -> bool:
    """The same bits; any NaN equals any NaN, and NULL equals what was not released.

    True is no number.
    """
    if isinstance(raw, bool):
        return False
    if isinstance(ours, float) and isinstance(raw, float | int):
        both_nan = ours != ours and raw != raw  # noqa: PLR0124
        return both_nan or struct.pack("<d", ours) == struct.pack("<d", raw)
    return type(ours) is not float and ours == raw


# ---------------------------------------------------------------------------------------------
# rows of some trials


def _rows(artifacts: Artifacts, table: str, key: str, ids: Sequence[int]) -> Rows:
    """Rows of a table, sorted by ``key``, that belong to some of its values."""
    wanted = np.unique(np.array(ids, dtype=np.int64))
    found: Rows = []
    with artifacts.parquet(table) as file:
        column = file.schema_arrow.names.index(key)
        for group in range(file.num_row_groups):
            described = file.metadata.row_group(group)
            if not described.num_rows:
                continue
            statistics = described.column(column).statistics
            low, high = np.searchsorted(wanted, (statistics.min, statistics.max + 1))
            if low < high:
                rows = file.read_row_group(group)
                here = pa.array(wanted[low:high], rows[key].type)
                found += rows.filter(pc.is_in(rows[key], value_set=here)).to_pylist()
    return found


def _grouped(rows: Rows) -> dict[int, Rows]:
    groups: dict[int, Rows] = {}
    for row in rows:
        groups.setdefault(row["trial_id"], []).append(row)
    return groups
