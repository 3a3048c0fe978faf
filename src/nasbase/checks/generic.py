"""Checks that hold for the Parquet tables of every benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.store.curves import whole_trials
from nasbase.store.parquet import compute_content, content_of, open_parquet, read_batches
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import series, tables
from nasbase.tables.columns import Column, Table


def generic_checks(benchmark: str) -> list[Check]:
    """The checks of `nasbase.checks.generic`, for one benchmark."""
    found = [
        Check("all.digest", "Every table holds the rows that its digest was made of.", _digests),
        Check("all.schema", "Every table has the columns and types of the catalogue.", _schemas),
        Check("all.references", "Every id that a table names exists.", _references),
        Check("all.finals", "trials holds the last point of every curve.", _finals),
        Check("all.nan_notes", "Every NaN of trials has a note, and only those.", _nan_notes),
    ]
    for table in tables(benchmark).values():
        claim = f"The key of {table.name} is unique and its rows are sorted."
        found.append(Check(f"all.key.{table.name}", claim, partial(_key, table=table)))
    ranges = [column for column in tables(benchmark)["trials"].columns if _range(column)]
    claim = "Percentages lie in 0 to 100, times, losses and sizes are not negative."
    found.append(Check("all.ranges", claim, partial(_ranges, columns=ranges)))
    return found


def _path(artifacts: Artifacts, table: str) -> str:
    return str(artifacts.folder / f"{table}.parquet")


def _digests(artifacts: Artifacts, outcome: Outcome) -> None:
    for name in tables(artifacts.benchmark):
        path = artifacts.folder / f"{name}.parquet"
        recorded, found = content_of(path), compute_content(path)
        outcome.count(1, [] if recorded == found else [f"{name}: {recorded} != {found}"])


def _schemas(artifacts: Artifacts, outcome: Outcome) -> None:
    for name, table in tables(artifacts.benchmark).items():
        found = pq.read_schema(_path(artifacts, name))
        equal = found.equals(arrow_schema(table))
        outcome.count(len(table.columns), [] if equal else [f"{name}: {found.names}"])


# ---------------------------------------------------------------------------------------------
# keys


def _key(artifacts: Artifacts, outcome: Outcome, *, table: Table) -> None:
    last: pa.Table | None = None
    for batch in read_batches(artifacts.folder / f"{table.name}.parquet"):
        keys = batch.select(list(table.key))
        if last is not None:
            keys = pa.concat_tables([last, keys])
        bad = np.flatnonzero(~_increasing(keys))
        examples = [str(row) for row in keys.take(pa.array(bad[:5])).to_pylist()]
        outcome.count(batch.num_rows, examples, failed=len(bad))
        last = keys.slice(keys.num_rows - 1)


def _increasing(keys: pa.Table) -> np.ndarray:
    """Whether each row but the first is greater than the one before, column by column."""
    count = max(keys.num_rows - 1, 0)
    greater, equal = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    for column in keys.columns:
        values = column.combine_chunks()
        here, before = values.slice(1), values.slice(0, count)
        greater |= equal & np.asarray(pc.greater(here, before))
        equal &= np.asarray(pc.equal(here, before))
    return np.append(True, greater)[: keys.num_rows]


_KEYS = {"architectures": "arch_id", "trials": "trial_id", "configurations": "config_id"}


def _references(artifacts: Artifacts, outcome: Outcome) -> None:
    names = tables(artifacts.benchmark)
    for target, key in _KEYS.items():
        if target not in names:
            continue
        known = np.sort(pq.read_table(_path(artifacts, target), columns=[key])[key].to_numpy())
        for name, table in names.items():
            if name != target and key in table.names:
                for ids in _column(artifacts, name, key):
                    unknown = ids[~np.isin(ids, known)]
                    examples = [f"{name}.{key} {i}" for i in unknown[:5]]
                    outcome.count(len(ids), examples, failed=len(unknown))


def _column(artifacts: Artifacts, table: str, column: str) -> Iterator[np.ndarray]:
    with open_parquet(_path(artifacts, table)) as file:
        for batch in file.iter_batches(batch_size=1 << 20, columns=[column]):
            yield np.unique(batch.column(0).to_numpy())


# ---------------------------------------------------------------------------------------------
# values


def _finals(artifacts: Artifacts, outcome: Outcome) -> None:
    columns = [column.name for column in series(artifacts.benchmark)]
    trials = pq.read_table(_path(artifacts, "trials"), columns=["trial_id", "num_epochs", *columns])
    for rows in whole_trials(artifacts.folder / "curves.parquet"):
        last = rows.filter(pc.equal(rows["epoch"], rows["num_epochs"]))
        mine = trials.take(last["trial_id"])
        for name in columns:
            bad = np.flatnonzero(~same_floats(last[name], mine[name]))
            ids = last["trial_id"].take(pa.array(bad[:5])).to_pylist()
            outcome.count(last.num_rows, [f"trial {i}: {name}" for i in ids], failed=len(bad))


def same_floats(first: pa.ChunkedArray, second: pa.ChunkedArray) -> np.ndarray:
    """Whether two float64 columns hold the same bits, and NULL at the same places."""
    valid = np.asarray(first.is_valid())
    bits = [np.asarray(pc.fill_null(c, 0.0)).view(np.int64) for c in (first, second)]
    return (valid == np.asarray(second.is_valid())) & (~valid | (bits[0] == bits[1]))


def _nan_notes(artifacts: Artifacts, outcome: Outcome) -> None:
    notes = pq.read_table(_path(artifacts, "notes"), columns=["table", "key", "column", "kind"])
    noted = {
        (row["key"], row["column"])
        for row in notes.to_pylist()
        if row["kind"] == "nan" and row["table"] == "trials"
    }
    found = set()
    floats = [c.name for c in tables(artifacts.benchmark)["trials"].columns if c.type == "float64"]
    for batch in read_batches(artifacts.folder / "trials.parquet"):
        ids = batch["trial_id"].to_numpy()
        for name in floats:
            nan = np.asarray(pc.fill_null(pc.is_nan(batch[name]), False))
            found |= {(f'{{"trial_id": {i}}}', name) for i in ids[nan]}
    outcome.count(len(noted | found), [f"{key} {column}" for key, column in sorted(noted ^ found)])


_NOT_NEGATIVE = ("_loss", "_time_s", "_time_total_s", "params", "flops", "params_m", "flops_m")


def _range(column: Column) -> tuple[float, float] | None:
    """Lowest and highest value of a column; None where nothing is known."""
    if column.name.endswith("_pct"):
        return 0.0, 100.0
    if column.name.endswith(_NOT_NEGATIVE):
        return 0.0, np.inf
    return None


def _ranges(artifacts: Artifacts, outcome: Outcome, *, columns: Sequence[Column]) -> None:
    for table in ("trials", "curves"):
        names = set(tables(artifacts.benchmark)[table].names)
        for batch in read_batches(artifacts.folder / f"{table}.parquet"):
            for column in columns:
                if column.name in names:
                    _count_outside(batch, column, table, outcome)


def _count_outside(batch: pa.Table, column: Column, table: str, outcome: Outcome) -> None:
    low, high = _range(column) or (-np.inf, np.inf)
    values = batch[column.name]
    # Comparisons with NaN are false: a released NaN is a note, not a failure.
    outside = pc.or_(pc.less(values, low), pc.greater(values, high))
    bad = np.flatnonzero(np.asarray(pc.fill_null(outside, False)))
    ids = batch["trial_id"].take(pa.array(bad[:5])).to_pylist()
    present = batch.num_rows - values.null_count
    outcome.count(present, [f"{table} {i}: {column.name}" for i in ids], failed=len(bad))
