"""Sorted runs: the temporary files between decoding and assembly.

A shard is decoded in batches of bounded size. Some batches become one *run*: rows sorted by the
trials' key, in an Arrow file, which for lists is several times faster to read than Parquet is.
Assembly then merges the runs of all shards range by range of architectures, so that neither step
ever holds a release in memory, in whatever order upstream wrote it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import methodcaller
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.room import Batch
from nasbase.errors import RawDataError
from nasbase.tables.arrow import joined, values_at
from nasbase.tables.order import first_alike, order_of
from nasbase.tables.shards import shard_architectures, shard_trials, sort_key, subject

BATCHES_PER_RUN = 32
"""Record batches of a run; assembly holds one of each run."""

ARCHITECTURES = "architectures.arrow"
"""File of a shard's distinct architectures."""

RUN_BYTES = 32 << 20
"""Batches are collected until they have so many bytes: fewer runs are faster to merge."""

_ROWS, _VALUES = b"rows", b"values"
"""Keys of a run's metadata: its rows, and its values, those in lists counted one by one."""

_DISTINCT_ROWS = 500_000
"""Rows of ``architectures`` that are collected before repeated ones are dropped."""

_COMPARED_ROWS = 10_000
"""Rows that are compared at once."""


def write_runs(benchmark: str, batches: Iterable[Batch], folder: Path) -> None:
    """Write the batches of one shard as sorted runs, and its distinct architectures."""
    architectures = DistinctArchitectures(benchmark)
    waiting: list[pa.Table] = []
    runs = 0
    for batch in batches:
        architectures.add(batch.architectures)
        waiting.append(batch.trials.cast(shard_trials(benchmark)))
        if sum(table.nbytes for table in waiting) >= RUN_BYTES:
            _write_run(benchmark, waiting, folder / f"trials-{runs:05d}.arrow")
            waiting, runs = [], runs + 1
    if waiting:
        _write_run(benchmark, waiting, folder / f"trials-{runs:05d}.arrow")
    write_arrow(architectures.table(), folder / ARCHITECTURES)


def _write_run(benchmark: str, trials: list[pa.Table], path: Path) -> None:
    rows = in_order(pa.concat_tables(trials), sort_key(benchmark))
    counts = {_ROWS: str(rows.num_rows), _VALUES: str(_count_values(rows))}
    rows = rows.replace_schema_metadata(counts)
    write_arrow(rows, path, max(64, -(-rows.num_rows // BATCHES_PER_RUN)))


def _count_values(rows: pa.Table) -> int:
    """Values of all columns, those in lists one by one."""
    lists = [column for column in rows.columns if pa.types.is_list(column.type)]
    inside = sum(pc.sum(pc.list_value_length(column)).as_py() or 0 for column in lists)
    return rows.num_rows * (rows.num_columns - len(lists)) + inside


def write_arrow(rows: pa.Table, path: Path, batch_rows: int | None = None) -> None:
    """Write a temporary Arrow file, uncompressed: it is read once, soon."""
    options = pa.ipc.IpcWriteOptions(use_threads=False)
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, rows.schema, options=options) as writer,
    ):
        writer.write_table(rows, max_chunksize=batch_rows)


@contextmanager
def open_arrow(path: Path) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """Open such a file; nothing of it stays in memory that is not in use."""
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source, options=options) as file:
        yield file


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
        """The distinct rows, in the order in which they came."""
        self._merge()
        return self._distinct

    def _merge(self) -> None:
        rows = pa.concat_tables([self._distinct, *self._waiting]).combine_chunks()
        self._waiting = []
        first = first_alike(joined(rows[self._subject]))
        repeated = first != np.arange(len(first))
        self._refuse_different(
            rows.take(pa.array(first[repeated])), rows.filter(pa.array(repeated))
        )
        self._distinct = rows.filter(pa.array(~repeated)).combine_chunks()

    def _refuse_different(self, earlier: pa.Table, rows: pa.Table) -> None:
        """Refuse rows that are not what an earlier one said of the same architecture."""
        for start in range(0, rows.num_rows, _COMPARED_ROWS):
            one, other = (table.slice(start, _COMPARED_ROWS) for table in (earlier, rows))
            if not one.equals(other):
                pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
                expected, found = next(pair for pair in pairs if pair[0] != pair[1])
                raise RawDataError(
                    "Two records describe the same architecture differently.",
                    where=f"{self._subject} {found[self._subject]!r}",
                    expected=expected,
                    found=found,
                    todo="The raw file is damaged or altered: obtain the released file again.",
                )


class _Run:
    """One run, read from its first batch to its last, each once."""

    def __init__(self, path: Path, subject: str) -> None:
        self._path = path
        self._subject = subject
        self._next = 0
        self._rest: pa.Table | None = None
        with open_arrow(path) as file:
            self._batches = file.num_record_batches
            self.num_rows, self.num_values = (
                int(file.schema.metadata[k]) for k in (_ROWS, _VALUES)
            )

    def read_to(self, high: Any) -> list[pa.Table]:
        """The rows up to and with architecture ``high`` that have not been read yet.

        Rows are sorted, so few of them are looked at; texts have the same order in Arrow (UTF-8) as
        in Python (code points).
        """
        tables = []
        while self._fill():
            rest = cast(pa.Table, self._rest)
            inside = bisect_right(rest[self._subject], high, key=methodcaller("as_py"))
            if inside:
                tables.append(rest.slice(0, inside))
            self._rest = rest.slice(inside) if inside < rest.num_rows else None
            if self._rest is not None:
                break
        return tables

    def _fill(self) -> bool:
        """Whether there are rows left; the next batch is read when they are all taken."""
        if self._rest is None and self._next < self._batches:
            with open_arrow(self._path) as file:
                self._rest = pa.Table.from_batches([file.get_batch(self._next)])
            self._next += 1
        return self._rest is not None


class Runs:
    """The trials of all runs of a release, merged range by range of architectures."""

    def __init__(self, benchmark: str, folders: Iterable[Path]) -> None:
        self._subject = subject(benchmark).name
        self._schema = shard_trials(benchmark)
        self._order = ["arch_id", *sort_key(benchmark)[1:]]
        paths = sorted(p for folder in folders for p in folder.glob("trials-*.arrow"))
        self._runs = [_Run(path, self._subject) for path in paths]
        self.num_trials = sum(run.num_rows for run in self._runs)
        self.num_values = sum(run.num_values for run in self._runs)

    def read(self, keys: pa.Array, ids: pa.Array) -> pa.Table:
        """Trials of the architectures of some keys, sorted by their own key.

        Their ``arch_id`` stands in place of the architecture's key. Keys are read in ascending
        order; trials of others between them are skipped.
        """
        high = keys[-1].as_py()
        tables = [table for run in self._runs for table in run.read_to(high)]
        rows = pa.concat_tables([self._schema.empty_table(), *tables])
        places = joined(pc.index_in(rows[self._subject], value_set=keys))
        if places.null_count:
            rows, places = rows.filter(places.is_valid()), places.drop_null()
        at = rows.column_names.index(self._subject)
        return in_order(rows.set_column(at, "arch_id", ids.take(places)), self._order)


def in_order(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Sorted rows, in one piece; they are moved only if they have to be."""
    places = order_of(rows, names)
    stay = (np.diff(places) == 1).all()  # copying lists costs more than looking
    return rows.combine_chunks() if stay else reordered(rows, places)


def reordered(rows: pa.Table, places: np.ndarray) -> pa.Table:
    """The rows at some places, in one piece."""
    moves: list[_ListMove] = []
    columns = [_reordered(joined(column), places, moves) for column in rows.columns]
    return pa.Table.from_arrays(columns, schema=rows.schema)


class _ListMove:
    """Where the values of lists go when the lists are put at other places.

    Several times faster than Arrow, which asks list by list: lists of one length move as the rows
    of a matrix, others by an index that all series of a training share.
    """

    def __init__(self, offsets: np.ndarray, places: np.ndarray) -> None:
        self.offsets = offsets
        lengths = np.diff(offsets)
        own = lengths[places]
        self.starts = np.zeros(len(places) + 1, np.int32)
        np.cumsum(own, out=self.starts[1:])
        self._length = int(lengths[0]) if len(own) and (lengths == lengths[0]).all() else 0
        if self._length:
            self._index = places
        else:
            self._index = np.repeat(offsets[:-1][places] - self.starts[:-1], own)
            self._index += np.arange(len(self._index), dtype=np.int32)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        if self._length:
            return values.reshape(-1, self._length).take(self._index, axis=0).ravel()
        return values.take(self._index)


def _reordered(column: pa.Array, places: np.ndarray, moves: list[_ListMove]) -> pa.Array:
    """The values of a column at some places; ``moves`` are those of the lists before it."""
    is_list = pa.types.is_list(column.type)
    if not is_list or column.null_count or (values := column.flatten()).null_count:
        return values_at(column, places)
    offsets = column.offsets.to_numpy() - column.offsets[0].as_py()
    move = next((move for move in moves if np.array_equal(move.offsets, offsets)), None)
    if move is None:
        move = _ListMove(offsets, places)
        moves.append(move)
    moved = pa.array(move(values.to_numpy()))
    return pa.ListArray.from_arrays(pa.array(move.starts), moved, type=column.type)


def ranges(keys: pa.Array, num_values: int, target: int) -> Iterator[slice]:
    """Cut sorted architecture keys into ranges whose trials hold about ``target`` values.

    The cut depends on the release alone, not on how it was sharded.
    """
    if not len(keys):
        return
    pieces = max(1, -(-num_values // target))
    step = max(1, -(-len(keys) // pieces))
    for start in range(0, len(keys), step):
        yield slice(start, min(start + step, len(keys)))
