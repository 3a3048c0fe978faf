"""Comparing two builds: digests first, then the tables that differ, block by block.

Memory holds the identities of the trainings of both builds (some tens of bytes each) and a few row
groups; the curves of NAS-Bench-201, 31 million rows, are read once and never held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nasbase.diff.columns import ColumnComparison
from nasbase.diff.identity import ARCHITECTURE_KEYS, Codes, joint_codes, named_notes, same_things
from nasbase.diff.result import ColumnDiff, Diff, TableDiff
from nasbase.diff.sides import RowReader, Side
from nasbase.errors import QueryError
from nasbase.tables.catalogue import NATS_RECORDS, tables
from nasbase.tables.columns import Column, Table

BLOCK_ROWS = 122_880
EXAMPLES = 5

COMPARABLE = ({"nb201", "nats_tss"},)
"""Different benchmarks of one search space and one layout."""

ALONG_TRIALS = {"curves": "epoch", "iterations": "sample"}
"""Tables with many rows per training, sorted by training, and what numbers these rows."""


def diff(a: Side, b: Side) -> Diff:
    """What differs between two builds.

    Raises
    ------
    QueryError
        If they are builds of benchmarks that have nothing to compare.
    """
    names = {a.build.benchmark, b.build.benchmark}
    if len(names) > 1 and names not in COMPARABLE:
        raise QueryError(
            "Two different benchmarks cannot be compared.",
            expected="two builds of one benchmark",
            found=f"{a.label} and {b.label}",
            todo="`nasbase list` shows what is installed.",
        )
    comparison = _Comparison(a, b)
    found = [comparison.table(table) for table in tables(a.build.benchmark).values()]
    return Diff(_said(a), _said(b), comparison.touched_architectures(), tuple(found))


def _said(side: Side) -> dict[str, Any]:
    build = side.build
    return {
        "benchmark": build.benchmark,
        "release": build.release,
        "version": build.version,
        "synthetic": build.synthetic,
        "partial": build.partial,
        "label": side.label,
        "folder": str(side.folder),
    }


class _Comparison:
    """The two sides, which things of them are the same, and which trainings were touched."""

    def __init__(self, a: Side, b: Side) -> None:
        self.a, self.b = a, b
        self._codes: dict[str, Codes] | None = None
        self._touched: list[tuple[Side, np.ndarray]] = []
        self._architectures: dict[Path, pa.Table] = {}

    @property
    def codes(self) -> dict[str, Codes]:
        """Read only where some table differs."""
        if self._codes is None:
            self._codes = same_things(self.a, self.b)
        return self._codes

    def _identical(self, table: Table) -> bool:
        one, other = (side.build.contents[table.name].digest for side in (self.a, self.b))
        if one != other:
            return False
        # Equal rows say the same only where the ids in them do.
        ids = [name for name in ("arch_id", "config_id", "trial_id") if name in table.names]
        if self._same_identities() or not ids:
            return True
        return all(self.codes[name].unchanged for name in ids)

    def _same_identities(self) -> bool:
        one, other = self.a.build.contents, self.b.build.contents
        names = ("architectures", "configurations", "trials")
        return all(one[name].digest == other[name].digest for name in names if name in one)

    def table(self, table: Table) -> TableDiff:
        """What differs in one table."""
        if self._identical(table):
            rows = self.a.build.contents[table.name].rows
            return TableDiff(table.name, rows, rows, identical=True)
        if table.name in ALONG_TRIALS:
            return self._along_trials(table, ALONG_TRIALS[table.name])
        return self._by_key(table)

    # ------------------------------------------------------------------ tables with a key

    def _by_key(self, table: Table) -> TableDiff:
        codes_a, codes_b = self._row_codes(table)
        _, rows_a, rows_b = np.intersect1d(codes_a, codes_b, return_indices=True)
        order = np.argsort(rows_a)
        rows_a, rows_b = rows_a[order], rows_b[order]
        added = np.setdiff1d(np.arange(len(codes_b)), rows_b, assume_unique=True)
        removed = np.setdiff1d(np.arange(len(codes_a)), rows_a, assume_unique=True)
        reader_a, reader_b = self.a.rows(table.name), self.b.rows(table.name)
        columns = [ColumnComparison(column) for column in _compared(table, self.a)]
        names = [comparison.column.name for comparison in columns]
        changed = []
        for start in range(0, len(rows_a) if columns else 0, BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            pieces = reader_a.take(rows_a[block], names), reader_b.take(rows_b[block], names)
            changed.append(rows_a[block][_compare(columns, *pieces, rows_a[block])])
        changed_rows = np.concatenate(changed) if changed else np.empty(0, np.int64)
        if table.name == "trials":
            self._touch_trials(self.a, np.concatenate([removed, changed_rows]))
            self._touch_trials(self.b, added)
        return TableDiff(
            table.name,
            len(codes_a),
            len(codes_b),
            identical=False,
            added=len(added),
            removed=len(removed),
            changed=len(changed_rows),
            columns=self._results(table, columns, reader_a),
            added_examples=self._described(self.b, table, reader_b, added),
            removed_examples=self._described(self.a, table, reader_a, removed),
        )

    def _row_codes(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """One code per row of a table on both sides, equal where the rows are about the same."""
        own = {"architectures": "arch_id", "configurations": "config_id", "trials": "trial_id"}
        if table.name in own:
            codes, id_name = self.codes[own[table.name]], own[table.name]
            ids = [side.columns(table.name, [id_name])[id_name] for side in (self.a, self.b)]
            return codes.a[ids[0].to_numpy()], codes.b[ids[1].to_numpy()]
        if table.name == "notes":
            names = ["table", "key", "column", "kind", "code"]
            a, b = (
                named_notes(side.columns("notes", names), which, self.codes).drop_columns("key")
                for side, which in ((self.a, "a"), (self.b, "b"))
            )
            return joint_codes(a, b, {})
        a, b = (side.columns(table.name, table.key) for side in (self.a, self.b))
        return joint_codes(a, b, self.codes)

    # ------------------------------------------------------------------ tables along trainings

    def _along_trials(self, table: Table, point: str) -> TableDiff:
        codes = self.codes["trial_id"]
        reader_a, reader_b = self.a.rows(table.name), self.b.rows(table.name)
        where_a, where_b = _Extents(reader_a, len(codes.a)), _Extents(reader_b, len(codes.b))
        _, trials_a, trials_b = np.intersect1d(codes.a, codes.b, return_indices=True)
        # The codes of ids that no trial has (-1) agree as well: they have no rows.
        real = codes.a[trials_a] >= 0
        order = np.argsort(trials_a[real])
        trials_a, trials_b = trials_a[real][order], trials_b[real][order]
        lengths = where_a.lengths(trials_a) + where_b.lengths(trials_b)
        columns = [ColumnComparison(column) for column in _compared(table, self.a)]
        names = [point, *(comparison.column.name for comparison in columns)]
        common = changed = 0
        touched = []
        for block in _blocks(lengths):
            rows_a, place_a = where_a.expanded(trials_a[block])
            rows_b, place_b = where_b.expanded(trials_b[block])
            part_a, part_b = reader_a.take(rows_a, names), reader_b.take(rows_b, names)
            key_a = place_a * 2**32 + part_a[point].to_numpy()
            key_b = place_b * 2**32 + part_b[point].to_numpy()
            if not np.array_equal(key_a, key_b):
                _, at_a, at_b = np.intersect1d(key_a, key_b, return_indices=True)
                lost = np.concatenate([np.delete(place_a, at_a), np.delete(place_b, at_b)])
                touched.append(trials_a[block][np.unique(lost)])
                part_a, part_b = part_a.take(at_a), part_b.take(at_b)
                rows_a, place_a = rows_a[at_a], place_a[at_a]
            differs = _compare(columns, part_a, part_b, rows_a)
            common += len(rows_a)
            changed += int(differs.sum())
            touched.append(trials_a[block][np.unique(place_a[differs])])
        touched_ids = np.unique(np.concatenate(touched)) if touched else np.empty(0, np.int64)
        self._touched.append((self.a, touched_ids))
        return TableDiff(
            table.name,
            len(reader_a),
            len(reader_b),
            identical=False,
            added=len(reader_b) - common,
            removed=len(reader_a) - common,
            changed=changed,
            trials=len(touched_ids),
            columns=self._results(table, columns, reader_a),
        )

    # ------------------------------------------------------------------ what is said of rows

    def _results(
        self, table: Table, columns: Sequence[ColumnComparison], reader: RowReader
    ) -> tuple[ColumnDiff, ...]:
        found = []
        for comparison in columns:
            if comparison.row is not None:
                (key,) = self._described(self.a, table, reader, np.array([comparison.row]))
                found.append(comparison.result(key))
        return tuple(found)

    def _described(
        self, side: Side, table: Table, reader: RowReader, rows: np.ndarray
    ) -> tuple[dict[str, Any], ...]:
        """The keys of a few rows, with the architecture named as it is everywhere."""
        wanted = ("arch_id", "config_id", "dataset", "num_epochs", "run", "seed", "epoch")
        names = dict.fromkeys([*table.key, *(name for name in wanted if name in table.names)])
        if table.name == "notes":
            names = dict.fromkeys(["table", "key", "column", "code"])
        found = []
        for row in reader.take(rows[:EXAMPLES], list(names)).to_pylist():
            named = {}
            if "arch_id" in row:
                named["architecture"] = self._architecture(side, row["arch_id"])
            found.append(named | row)
        return tuple(found)

    def _architecture(self, side: Side, arch_id: int) -> str:
        keys = ARCHITECTURE_KEYS[side.build.benchmark]
        if side.folder not in self._architectures:
            self._architectures[side.folder] = side.columns("architectures", ["arch_id", *keys])
        read = self._architectures[side.folder]
        row = int(np.searchsorted(read["arch_id"].to_numpy(), arch_id))
        return " ".join(read[key][row].as_py() for key in keys)

    def _touch_trials(self, side: Side, rows: np.ndarray) -> None:
        ids = side.columns("trials", ["trial_id"])["trial_id"].to_numpy()
        self._touched.append((side, ids[rows]))

    def touched_architectures(self) -> int:
        """Architectures of both builds that have a training with a difference."""
        if self._codes is None:
            return 0
        codes = self.codes["arch_id"]
        found = []
        for side, trials in self._touched:
            if not len(trials):
                continue
            read = side.columns("trials", ["trial_id", "arch_id"])
            arch_ids = read["arch_id"].to_numpy()[np.isin(read["trial_id"].to_numpy(), trials)]
            found.append((codes.a if side is self.a else codes.b)[arch_ids])
        both = np.intersect1d(codes.a, codes.b)
        return len(np.intersect1d(np.concatenate(found), both[both >= 0])) if found else 0


def _compared(table: Table, side: Side) -> list[Column]:
    """Columns whose values are compared: those that are neither key nor number within a build."""
    identity = {*table.key, "dataset", "num_epochs", "seed"}
    if table.name == "architectures":
        identity |= set(ARCHITECTURE_KEYS[side.build.benchmark])
        if side.build.benchmark in NATS_RECORDS:  # upstream's index, not a rank of ours
            return [c for c in table.columns if c.name not in identity - {"arch_id"}]
    if table.name == "notes":
        identity |= {"table", "column", "kind", "code", "key"}
    if table.name == "configurations":
        return []  # every column is part of what names it
    return [
        column
        for column in table.columns
        if column.name not in identity and column.origin != "identifier"
    ]


def _compare(
    columns: Sequence[ColumnComparison], a: pa.Table, b: pa.Table, rows: np.ndarray
) -> np.ndarray:
    """Compare aligned rows in every column; which of them differ beyond provenance."""
    changed = np.zeros(len(rows), dtype=bool)
    for comparison in columns:
        name = comparison.column.name
        differs = comparison.add(a[name], b[name], rows)
        if comparison.column.origin != "provenance":
            changed |= differs
    return changed


class _Extents:
    """Where the rows of each training stand in a table that is sorted by training.

    Parameters
    ----------
    trials
        Ids are below this number.
    """

    def __init__(self, rows: RowReader, trials: int) -> None:
        self._starts = np.zeros(trials, np.int64)
        self._lengths = np.zeros(trials, np.int64)
        at = 0
        for batch in rows.batches(["trial_id"]):
            trial = batch["trial_id"].to_numpy()
            ids, firsts, counts = np.unique(trial, return_index=True, return_counts=True)
            begun = self._lengths[ids] > 0  # in the batch before
            self._starts[ids[~begun]] = firsts[~begun] + at
            self._lengths[ids] += counts
            at += len(trial)

    def lengths(self, trials: np.ndarray) -> np.ndarray:
        """Rows of each training; 0 where it has none."""
        return self._lengths[trials]

    def expanded(self, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of some trainings, and for each row the place of its training."""
        lengths = self._lengths[trials]
        places = np.repeat(np.arange(len(trials)), lengths)
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self._starts[trials[places]] + np.arange(len(places)) - before, places


def _blocks(lengths: np.ndarray) -> Iterator[slice]:
    """Slices of trainings that have some `BLOCK_ROWS` rows each, on both sides together."""
    reached = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = reached[start - 1] if start else 0
        end = int(np.searchsorted(reached, before + 2 * BLOCK_ROWS, side="right"))
        end = max(end, start + 1)
        yield slice(start, end)
        start = end
