"""Rows of the final tables, derived from sorted shard rows: finals, curves, means, notes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.tables.arrow import arrow_type, joined, validity, values_at
from nasbase.tables.catalogue import SAMPLE_SERIES, final_values, series, tables
from nasbase.tables.columns import Column, Table
from nasbase.tables.shards import SAMPLE_PREFIX


def changes(rows: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Whether a row differs from the one before it in any of the columns; the first does."""
    changed = np.zeros(rows.num_rows, dtype=bool)
    changed[:1] = True
    for name in names:
        column = joined(rows[name])
        differs = pc.not_equal(column.slice(1), column.slice(0, max(rows.num_rows - 1, 0)))
        changed[1:] |= np.asarray(differs)
    return changed


def flat(rows: pa.Table, name: str, lengths: np.ndarray) -> pa.Array:
    """Values of a list column end to end; a NULL list gives as many NULLs as ``lengths`` says."""
    lists = joined(rows[name])
    valid = validity(lists)
    own = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    if not (own[valid] == lengths[valid]).all():
        raise ValueError(f"column {name}: a list is not as long as its row's epochs")
    values = lists.flatten()
    if valid.all():
        return values
    inside = np.repeat(valid, lengths)
    position = np.cumsum(inside) - 1
    return values.take(pa.array(position, mask=~inside))


def last_values(rows: pa.Table, name: str, at_end: np.ndarray) -> pa.Array:
    """Last value of each list of a column, NULL where ``at_end`` is false or the list is NULL."""
    lists = joined(rows[name])
    own = np.asarray(pc.fill_null(pc.list_value_length(lists), 0)).astype(np.int64)
    ends = np.cumsum(own) - 1
    return lists.flatten().take(pa.array(ends, mask=~(at_end & (own > 0))))


def finals(benchmark: str, rows: pa.Table) -> pa.Table:
    """Rows of ``trials``: identity, scalars, and each series' value after the last epoch."""
    table = tables(benchmark)["trials"]
    last_epoch = last_values(rows, "epoch", np.ones(rows.num_rows, dtype=bool))
    whole = np.asarray(pc.fill_null(pc.equal(last_epoch, joined(rows["num_epochs"])), False))
    columns: dict[str, Any] = {}
    for column in table.columns:
        if column in series(benchmark):
            columns[column.name] = last_values(rows, column.name, whole)
        elif column.name == "train_time_total_s":
            columns[column.name] = total_times(rows, whole)
        else:
            columns[column.name] = rows[column.name]
    return pa.table(columns).select(table.names)


def total_times(rows: pa.Table, whole: np.ndarray) -> pa.Array:
    """Seconds of training of each row, all epochs; NULL unless every epoch's time is known.

    NATS releases one time per epoch: they are added one after the other in epoch order, as
    upstream's own sum does, so that the result agrees to the last bit. NAS-Bench-101 releases the
    time elapsed at each point; NDS releases no epoch times.
    """
    if "elapsed_train_time_s" in rows.column_names:
        return last_values(rows, "elapsed_train_time_s", whole)
    if "train_time_s" not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.float64())
    lists = joined(rows["train_time_s"])
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0)).astype(np.int64)
    values = lists.flatten()
    known = validity(values)
    values = np.asarray(pc.fill_null(values, 0.0))
    starts = np.cumsum(lengths) - lengths
    total = np.zeros(rows.num_rows)
    complete = lengths == rows["num_epochs"].to_numpy()
    for epoch in range(int(lengths.max(initial=0))):
        reached = np.flatnonzero(lengths > epoch)
        total[reached] += values[starts[reached] + epoch]
        complete[reached] &= known[starts[reached] + epoch]
    return pa.array(total, mask=~complete)


def curve_rows(benchmark: str, rows: pa.Table) -> pa.Table:
    """Rows of ``curves``: one per trial and epoch."""
    epochs = joined(rows["epoch"])
    lengths = np.asarray(pc.list_value_length(epochs)).astype(np.int64)
    repeat = np.repeat(np.arange(rows.num_rows), lengths)
    columns: dict[str, Any] = {"epoch": epochs.flatten()}
    for column in tables(benchmark)["curves"].columns:
        if column in series(benchmark):
            columns[column.name] = flat(rows, column.name, lengths)
        elif column.name != "epoch":
            columns[column.name] = values_at(joined(rows[column.name]), repeat)
    return pa.table(columns)


def iteration_rows(rows: pa.Table) -> pa.Table:
    """Rows of ``iterations``: one per trial and sampled iteration."""
    names = [SAMPLE_PREFIX + column.name for column in SAMPLE_SERIES]
    own = [pc.fill_null(pc.list_value_length(joined(rows[name])), 0) for name in names]
    lengths = np.maximum.reduce([np.asarray(lengths) for lengths in own]).astype(np.int64)
    ends = np.cumsum(lengths)
    repeat = np.repeat(np.arange(rows.num_rows), lengths)
    sample = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    columns: dict[str, Any] = {
        "trial_id": values_at(joined(rows["trial_id"]), repeat),
        "sample": pa.array(sample.astype(np.int32)),
    }
    for column, name in zip(SAMPLE_SERIES, names, strict=True):
        columns[column.name] = flat(rows, name, lengths)
    return pa.table(columns)


def mean_rows(benchmark: str, trials: pa.Table) -> pa.Table:
    """Rows of ``means``: mean and sample standard deviation over the runs of each training.

    Runs are added in order of ``run``, so the result does not depend on how rows were grouped.
    """
    table = tables(benchmark)["means"]
    run = trials["run"].to_numpy()
    starts = np.flatnonzero(run == 0)
    group = np.cumsum(run == 0) - 1
    n = np.bincount(group, minlength=len(starts))
    rows = (np.flatnonzero(run == r) for r in range(int(run.max(initial=-1)) + 1))
    members = [(at, group[at]) for at in rows]
    columns: dict[str, Any] = {"n": pa.array(n.astype(np.int16))}
    for name in table.key:
        columns[name] = values_at(joined(trials[name]), starts)
    for column in final_values(benchmark):
        mean, deviation, absent = _moments(joined(trials[column.name]), group, members, n)
        columns[f"{column.name}_mean"] = pa.array(mean, mask=absent)
        columns[f"{column.name}_sd"] = pa.array(deviation, mask=absent | (n < 2))
    return pa.table(columns).select(table.names)


def _moments(
    column: pa.Array,
    group: np.ndarray,
    members: list[tuple[np.ndarray, np.ndarray]],
    n: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    absent = np.zeros(len(n), dtype=bool)
    if column.null_count:
        absent[group[~validity(column)]] = True
        column = pc.fill_null(column, 0.0)
    values = column.to_numpy()
    total = np.zeros(len(n))
    for rows, groups in members:
        total[groups] += values[rows]
    mean = total / n
    squares = np.zeros(len(n))
    with np.errstate(invalid="ignore"):  # a loss may be infinite: its deviation is NaN
        for rows, groups in members:
            squares[groups] += (values[rows] - mean[groups]) ** 2
    return mean, np.sqrt(squares / np.maximum(n - 1, 1)), absent


def nan_notes(table: Table, rows: pa.Table) -> Iterable[Mapping[str, Any]]:
    """One note of kind ``nan`` per released NaN: SQLite cannot hold it and stores NULL."""
    for column in table.columns:
        if arrow_type(column) != pa.float64():
            continue
        is_nan = pc.is_nan(rows[column.name])
        if pc.any(is_nan).as_py():
            nan = np.flatnonzero(np.asarray(pc.fill_null(is_nan, False)))
            for key in rows.select(list(table.key)).take(pa.array(nan)).to_pylist():
                yield _nan_note(table.name, column, key)


def _nan_note(table: str, column: Column, key: Mapping[str, Any]) -> Mapping[str, Any]:
    cause = "was released as NaN" if column.origin == "released" else "is NaN, as its inputs are"
    return {
        "table": table,
        "key": json.dumps(key),
        "column": column.name,
        "kind": "nan",
        "code": "not-a-number",
        "sentence": f"{column.name} {cause}; SQLite stores NULL in its place.",
    }


def column_rows(catalogue: Iterable[Table]) -> list[dict[str, Any]]:
    """Rows of ``columns``: the catalogue itself."""
    return [
        {
            "table": table.name,
            "position": position,
            "column": column.name,
            "type": column.type,
            "unit": column.unit,
            "meaning": column.meaning,
            "upstream": column.upstream,
            "nullable": column.nullable,
            "origin": column.origin,
        }
        for table in catalogue
        for position, column in enumerate(table.columns)
    ]
