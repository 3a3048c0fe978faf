"""Assembly: the shards of a release become the final Parquet tables.

Ids are assigned here, because only here is the whole release in sight: ``arch_id`` where it is a
rank, ``config_id``, ``trial_id`` (rows in key order) and ``run`` (rank within a repetition).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.room import RawRelease, Room
from nasbase.errors import IncompleteReleaseError, RawDataError
from nasbase.store.parquet import TableContent, TableWriter
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import CONFIGURATION_COLUMNS, SCHEMA_VERSION, SUMMARIES, tables
from nasbase.tables.derive import (
    changes,
    column_rows,
    curve_rows,
    finals,
    iteration_rows,
    mean_rows,
    nan_notes,
)
from nasbase.tables.runs import (
    ARCHITECTURES,
    DistinctArchitectures,
    Runs,
    in_order,
    open_arrow,
    ranges,
)
from nasbase.tables.shards import RANKED, subject
from nasbase.tables.summaries import write_summaries

RANGE_VALUES = 2 << 20
"""Values of trials, curves included, that assembly holds at once: 16 MB of float64."""


def assemble(
    room: Room,
    raw: RawRelease,
    *,
    expected: Mapping[str, int],
    folders: Sequence[Path],
    source_rows: Sequence[Mapping[str, Any]],
    out: Path,
) -> dict[str, TableContent]:
    """Write every Parquet table of a release from its shards.

    Parameters
    ----------
    room
        The benchmark's room.
    raw
        The raw release, for its name and marks.
    expected
        Rows per table as the plan announced them.
    folders
        The shards' folders, in order.
    source_rows
        Rows of the ``sources`` table.
    out
        Folder that receives ``<table>.parquet``.

    Returns
    -------
    dict
        Rows and content digest per table.

    Raises
    ------
    IncompleteReleaseError
        If records are missing and the release is not declared partial.
    RawDataError
        If a training or an architecture is described twice.
    """
    return _Assembly(room, raw, folders, out).run(expected, source_rows)


class _Assembly:
    def __init__(self, room: Room, raw: RawRelease, folders: Sequence[Path], out: Path) -> None:
        self.room = room
        self.raw = raw
        self.folders = folders
        self.out = out
        self.tables = tables(room.name)
        self.stack = contextlib.ExitStack()
        self.writers: dict[str, TableWriter] = {}
        self.notes: list[Mapping[str, Any]] = []
        self.trials = 0
        self.configurations = 0

    def run(
        self, expected: Mapping[str, int], source_rows: Sequence[Mapping[str, Any]]
    ) -> dict[str, TableContent]:
        with self.stack:
            for name, table in self.tables.items():
                if name in SUMMARIES:
                    continue
                writer = TableWriter(self.out / f"{name}.parquet", table, self._metadata())
                self.writers[name] = self.stack.enter_context(writer)
            architectures = self._architectures()
            costs = self._costs(architectures)
            self._check_complete(architectures.num_rows, expected)
            self._facts(source_rows)
            self._trials(architectures, costs, expected)
            self._write_rows("notes", [{"note_id": i, **n} for i, n in enumerate(self.notes)])
        contents = {name: writer.content for name, writer in self.writers.items()}
        found = {name: content for name, content in contents.items() if content is not None}
        return found | write_summaries(self.room.name, self.out, self._metadata())

    def _metadata(self) -> dict[str, str]:
        return {
            "nasbase.benchmark": self.room.name,
            "nasbase.release": self.raw.release,
            "nasbase.schema": str(SCHEMA_VERSION),
            "nasbase.synthetic": json.dumps(self.raw.synthetic),
            "nasbase.partial": json.dumps(self.raw.partial),
        }

    # ------------------------------------------------------------------ architectures

    def _architectures(self) -> pa.Table:
        """Write ``architectures``; give the rows with their ids and shard keys."""
        distinct = DistinctArchitectures(self.room.name)
        for folder in self.folders:
            with open_arrow(folder / ARCHITECTURES) as file:
                distinct.add(file.read_all())
        rows = in_order(distinct.table(), [subject(self.room.name).name])
        if self.room.name in RANKED:
            ids = pa.array(np.arange(rows.num_rows, dtype=np.int32))
            rows = rows.append_column("arch_id", ids)
        self.writers["architectures"].write(rows)
        return rows

    def _costs(self, architectures: pa.Table) -> pa.Table:
        """Write ``costs``; give the rows."""
        schema = arrow_schema(self.tables["costs"])
        pieces = [schema.empty_table()]
        for start in range(0, architectures.num_rows, 100_000):
            pieces.append(self.room.costs(architectures.slice(start, 100_000)).cast(schema))
            self.writers["costs"].write(pieces[-1])
        return pa.concat_tables(pieces)

    def _check_complete(self, found: int, expected: Mapping[str, int]) -> None:
        space = None if self.raw.partial else self.room.space_size
        wanted = expected.get("architectures", found) if space is None else space
        if found != wanted:
            raise _incomplete(self.raw, "architectures", wanted, found)

    # ------------------------------------------------------------------ trials and curves

    def _trials(
        self, architectures: pa.Table, costs: pa.Table, expected: Mapping[str, int]
    ) -> None:
        runs = Runs(self.room.name, self.folders)
        wanted = expected.get("trials", runs.num_trials)
        if runs.num_trials != wanted:
            raise _incomplete(self.raw, "trials", wanted, runs.num_trials)
        keys = architectures[subject(self.room.name).name].combine_chunks()
        cost_ids = costs["arch_id"].to_numpy()
        for part in ranges(keys, runs.num_values, RANGE_VALUES):
            here = keys[part]
            ids = architectures["arch_id"][part].combine_chunks()
            shard_rows = runs.read(here, ids)
            if shard_rows.num_rows:
                ends = ids[0].as_py(), ids[-1].as_py() + 1
                low, high = np.searchsorted(cost_ids, ends).tolist()
                self._range(ids, here, costs.slice(low, high - low), shard_rows)
        if self.trials != runs.num_trials:
            raise RawDataError(
                "Some trials belong to an architecture that the release does not describe.",
                where=self.raw.where,
                expected=f"{runs.num_trials} trials",
                found=f"{self.trials} trials with a known architecture",
                todo="The raw file is damaged or altered: obtain the released file again.",
            )

    def _range(self, ids: pa.Array, keys: pa.Array, costs: pa.Table, rows: pa.Table) -> None:
        """Write what follows from the trials of one range of architectures."""
        rows = self._with_ids(ids, keys, rows)
        self.trials += rows.num_rows
        trials = finals(self.room.name, rows)
        means = mean_rows(self.room.name, trials)
        curves = curve_rows(self.room.name, rows)
        self.writers["trials"].write(trials)
        self.writers["curves"].write(curves)
        self.writers["means"].write(means)
        if "iterations" in self.tables:
            self.writers["iterations"].write(iteration_rows(rows))
        self.notes += self.room.annotate(costs, trials)
        self.notes += nan_notes(self.tables["trials"], trials)
        self.notes += nan_notes(self.tables["means"], means)
        if self.room.name == "nb101":  # the one benchmark whose curves SQLite keeps as columns
            self.notes += nan_notes(self.tables["curves"], curves)

    def _with_ids(self, ids: pa.Array, keys: pa.Array, rows: pa.Table) -> pa.Table:
        """Add config_id, trial_id and run to sorted shard rows."""
        group = ["arch_id", "dataset", "num_epochs"]
        if "configurations" in self.tables:
            group += [column.name for column in CONFIGURATION_COLUMNS]
        first = changes(rows, group)
        self._refuse_repeats(ids, keys, rows, first)
        starts = np.flatnonzero(first)
        sizes = np.diff(np.append(starts, len(first)))
        run = np.arange(len(first)) - np.repeat(starts, sizes)
        rows = rows.append_column("run", pa.array(run.astype(np.int16)))
        numbers = np.arange(self.trials, self.trials + len(first), dtype=np.int32)
        rows = rows.append_column("trial_id", pa.array(numbers))
        if "configurations" in self.tables:
            config = (np.cumsum(first) - 1 + self.configurations).astype(np.int32)
            rows = rows.append_column("config_id", pa.array(config))
            self.configurations += len(starts)
            own = rows.select(self.tables["configurations"].names)  # curves are not moved
            self.writers["configurations"].write(own.take(pa.array(starts)))
        return rows

    def _refuse_repeats(
        self, ids: pa.Array, keys: pa.Array, rows: pa.Table, first: np.ndarray
    ) -> None:
        order = rows["run_order"].to_numpy()
        repeated = np.flatnonzero(~first[1:] & (order[1:] == order[:-1]))
        if len(repeated):
            name = subject(self.room.name).name
            columns = ["dataset", "num_epochs", "seed", "source_file", "source_pos"]
            two = rows.slice(int(repeated[0]), 2)
            key = keys[ids.index(two["arch_id"][0])].as_py()
            one, other = ({name: key} | row for row in two.select(columns).to_pylist())
            raise RawDataError(
                "The same training is in the release twice.",
                where=self.raw.where,
                expected=f"one record like {one}",
                found=f"another one: {other}",
                todo="The raw file is damaged or altered: obtain the released file again.",
            )

    # ------------------------------------------------------------------ tables that describe

    def _facts(self, source_rows: Sequence[Mapping[str, Any]]) -> None:
        facts = self.room.facts(self.raw.release)
        self._write_rows("training_setups", facts.training_setups)
        self._write_rows("splits", facts.splits)
        self._write_rows("sources", source_rows)
        self._write_rows("columns", column_rows(self.tables.values()))
        self.notes += facts.notes

    def _write_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        table = self.tables[name]
        schema = arrow_schema(table)
        unknown = {key for row in rows for key in row} - set(table.names)
        if unknown:
            raise KeyError(f"table {name} has no columns {sorted(unknown)}")
        data = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
        if table.key != ("note_id",):
            order = [(key, "ascending") for key in table.sort_key]
            data = data.take(pc.sort_indices(data, sort_keys=order))
        self.writers[name].write(data)


def _incomplete(raw: RawRelease, what: str, expected: int, found: int) -> IncompleteReleaseError:
    return IncompleteReleaseError(
        f"The release does not hold the {what} that it should.",
        where=raw.where,
        expected=f"{expected} {what}",
        found=f"{found} {what}",
        todo="Obtain the whole file again, or accept a partial release: `partial: true` in the "
        "sources table, or `snakemake --config partial=true`.",
    )
