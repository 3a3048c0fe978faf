"""Sorted runs: the temporary files between decoding and assembly.

A shard is decoded in batches of bounded size. Each batch becomes one *run*: a Parquet file sorted
by the trials' key. Assembly then merges the runs of all shards range by range of architectures, so
that neither step ever holds a release in memory, in whatever order upstream wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.benchmarks.room import Batch
from nasbase.errors import RawDataError
from nasbase.store.parquet import open_parquet
from nasbase.tables.shards import shard_architectures, shard_trials, sort_key, subject

ROW_GROUPS_PER_RUN = 32
"""Row groups of a run: the finest range that assembly can read without its neighbours."""

_DISTINCT_ROWS = 500_000
"""Rows of ``architectures`` that are collected before repeated ones are dropped."""


def write_runs(benchmark: str, batches: Iterable[Batch], folder: Path) -> None:
    """Write the batches of one shard as sorted runs, and its distinct architectures."""
    architectures = DistinctArchitectures(benchmark)
    for number, batch in enumerate(batches):
        architectures.add(batch.architectures)
        trials = batch.trials.cast(shard_trials(benchmark))
        order = [(name, "ascending") for name in sort_key(benchmark)]
        trials = trials.take(pc.sort_indices(trials, sort_keys=order))
        text = [f.name for f in trials.schema if pa.types.is_string(f.type)]
        pq.write_table(
            trials,
            folder / f"trials-{number:05d}.parquet",
            compression="lz4",
            use_dictionary=text,
            row_group_size=max(64, -(-trials.num_rows // ROW_GROUPS_PER_RUN)),
        )
    pq.write_table(architectures.table(), folder / "architectures.parquet", compression="lz4")


class DistinctArchitectures:
    """Collects rows of ``architectures``, each architecture once.

    Raises
    ------
    RawDataError
        If two rows describe the same architecture differently.
    """

    def __init__(self, benchmark: str) -> None:
        self._subject = subject(benchmark).name
        self._schema = shard_architectures(benchmark)
        self._distinct = self._schema.empty_table()
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Add rows in any order."""
        self._waiting.append(rows.cast(self._schema))
        if sum(table.num_rows for table in self._waiting) > _DISTINCT_ROWS:
            self._merge()

    def table(self) -> pa.Table:
        """The distinct rows, sorted by the architecture's id or key."""
        self._merge()
        return self._distinct

    def _merge(self) -> None:
        rows = pa.concat_tables([self._distinct, *self._waiting])
        self._waiting = []
        rows = rows.take(pc.sort_indices(rows, sort_keys=[(self._subject, "ascending")]))
        rows = rows.combine_chunks()
        if rows.num_rows < 2:
            self._distinct = rows
            return
        repeated = self._equal_to_previous(rows, [self._subject])
        same = self._equal_to_previous(rows, rows.column_names)
        conflict = pc.index(pc.and_(repeated, pc.invert(same)), True).as_py()
        if conflict >= 0:
            first, second = (rows.slice(conflict + i, 1).to_pylist()[0] for i in (0, 1))
            raise RawDataError(
                "Two records describe the same architecture differently.",
                where=f"{self._subject} {second[self._subject]!r}",
                expected=first,
                found=second,
                todo="The raw file is damaged or altered: obtain the released file again.",
            )
        keep = pa.concat_arrays([pa.array([True]), pc.invert(repeated)])
        self._distinct = rows.filter(keep)

    @staticmethod
    def _equal_to_previous(rows: pa.Table, names: list[str]) -> pa.BooleanArray:
        count = rows.num_rows - 1
        equal = pa.repeat(pa.scalar(True), count)
        for name in names:
            column = rows[name].combine_chunks()
            here, previous = column.slice(1), column.slice(0, count)
            both_null = pc.and_(pc.is_null(here), pc.is_null(previous))
            same = pc.or_(pc.fill_null(pc.equal(here, previous), False), both_null)
            equal = pc.and_(equal, same)
        return equal


class Runs:
    """The trials of all runs of a release, read range by range of architectures."""

    def __init__(self, benchmark: str, folders: Iterable[Path]) -> None:
        self._subject = subject(benchmark).name
        self._schema = shard_trials(benchmark)
        self._order = [(name, "ascending") for name in sort_key(benchmark)]
        self._groups: list[tuple[Path, int, object, object]] = []
        self.num_trials = 0
        self.num_values = 0
        for path in sorted(p for folder in folders for p in folder.glob("trials-*.parquet")):
            self._index(path)

    def _index(self, path: Path) -> None:
        metadata = pq.read_metadata(path)
        column = metadata.schema.names.index(self._subject)
        self.num_trials += metadata.num_rows
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(column).statistics
            # A key longer than Parquet's limit for statistics has none: the group is always read.
            known = statistics is not None and statistics.has_min_max
            low, high = (statistics.min, statistics.max) if known else (None, None)
            self._groups.append((path, group, low, high))
            columns = map(metadata.row_group(group).column, range(metadata.num_columns))
            self.num_values += sum(chunk.num_values for chunk in columns)

    def read(self, low: object, high: object) -> pa.Table:
        """Trials of the architectures from ``low`` to ``high`` (inclusive), sorted by their key."""
        wanted: dict[Path, list[int]] = {}
        for path, group, first, last in self._groups:
            if first is None or (first <= high and last >= low):  # type: ignore[operator]
                wanted.setdefault(path, []).append(group)
        tables = [self._schema.empty_table()]
        for path, groups in wanted.items():
            with open_parquet(path) as file:
                rows = file.read_row_groups(groups)
            key = rows[self._subject]
            inside = pc.and_(pc.greater_equal(key, low), pc.less_equal(key, high))
            tables.append(rows.filter(inside).cast(self._schema))
        rows = pa.concat_tables(tables)
        return rows.take(pc.sort_indices(rows, sort_keys=self._order)).combine_chunks()


def ranges(keys: pa.Array, num_values: int, target: int) -> Iterator[tuple]:
    """Cut sorted architecture keys into ranges whose trials hold about ``target`` values.

    The cut depends on the release alone, not on how it was sharded.
    """
    if not len(keys):
        return
    pieces = max(1, -(-num_values // target))
    step = max(1, -(-len(keys) // pieces))
    for start in range(0, len(keys), step):
        last = min(start + step, len(keys)) - 1
        yield keys[start].as_py(), keys[last].as_py()
