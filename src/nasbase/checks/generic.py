"""Checks that hold for the Parquet tables of every benchmark."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.benchmarks import room_of
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.store.curves import whole_trials
from nasbase.store.parquet import compute_content, content_of, open_parquet
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import series, tables
from nasbase.tables.columns import Column, Table


def generic_checks(benchmark: str) -> list[Check]:
    """The checks of `nasbase.checks.generic`, for one benchmark."""
    found = [
        Check("all.digest", "Every table holds the rows that its digest was made of.", _digests),
        Check(
            "all.schema",
            "There are the catalogue's tables and no other, with its columns and types.",
            _schemas,
        ),
        Check(
            "all.statistics",
            "What Parquet says of the values of a row group, by which readers skip it, is true.",
            _statistics,
            long=True,
        ),
        Check("all.references", "Every id that a table names exists.", _references),
        Check("all.runs", "Runs of a training count from 0, in the order of its records.", _runs),
        Check(
            "all.positions",
            "The trials of a raw file (and group) have the positions 0, 1, 2... in it.",
            _positions,
        ),
        Check(
            "all.curve_rows",
            "Every point of curves repeats the identity of its trial, at an epoch of its schedule.",
            _curve_rows,
        ),
        Check("all.finals", "trials holds the last point of every curve.", _finals),
        Check(
            "all.ranges",
            "Percentages lie in 0 to 100, times, losses and sizes are not negative.",
            _ranges,
        ),
        Check(
            "all.nan_notes",
            "Every NaN that SQLite cannot hold has a note, and nothing else has one.",
            _nan_notes,
        ),
    ]
    for table in tables(benchmark).values():
        claim = f"The key of {table.name} is unique and its rows are sorted."
        found.append(Check(f"all.key.{table.name}", claim, partial(_key, table=table)))
    return found


def _digests(artifacts: Artifacts, outcome: Outcome) -> None:
    for name in tables(artifacts.benchmark):
        path = artifacts.path(name)
        recorded, found = content_of(path), compute_content(path)
        outcome.count(1, [] if recorded == found else [f"{name}: {recorded} != {found}"])


def _schemas(artifacts: Artifacts, outcome: Outcome) -> None:
    for name, table in tables(artifacts.benchmark).items():
        found = pq.read_schema(artifacts.path(name))
        equal = found.equals(arrow_schema(table))
        outcome.count(len(table.columns), [] if equal else [f"{name}: {found.names}"])
    known = {artifacts.path(name) for name in tables(artifacts.benchmark)}
    outcome.count(0, sorted(path.name for path in {*artifacts.folder.glob("*.parquet")} - known))


def _statistics(artifacts: Artifacts, outcome: Outcome) -> None:
    for name in tables(artifacts.benchmark):
        with artifacts.parquet(name) as file:
            for group in range(file.num_row_groups):
                described = file.metadata.row_group(group)
                for number, column in enumerate(file.schema_arrow.names):
                    said = described.column(number).statistics
                    rows = file.read_row_group(group, [column])[column] if said else None
                    true = rows is None or _is_true(said, rows)
                    outcome.count(1, [] if true else [f"{name}, row group {group}: {column}"])


def _is_true(said: pq.Statistics, rows: pa.ChunkedArray) -> bool:
    """Whether lowest and highest value (a NaN is neither) and number of NULLs are these."""
    if said.has_null_count and said.null_count != rows.null_count:
        return False
    if not said.has_min_max:
        return True
    limits = pc.min_max(rows).as_py()
    return (said.min, said.max) == (limits["min"], limits["max"])


# ---------------------------------------------------------------------------------------------
# keys


def _key(artifacts: Artifacts, outcome: Outcome, *, table: Table) -> None:
    last: pa.Table | None = None
    for batch in artifacts.batches(table.name, table.key):
        keys = batch
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
        known = np.sort(artifacts.table(target, [key])[key].to_numpy())
        for name, table in names.items():
            if name != target and key in table.names:
                for ids in _column(artifacts, name, key):
                    unknown = ids[~np.isin(ids, known)]
                    examples = [f"{name}.{key} {i}" for i in unknown[:5]]
                    outcome.count(len(ids), examples, failed=len(unknown))


def _column(artifacts: Artifacts, table: str, column: str) -> Iterator[np.ndarray]:
    with open_parquet(artifacts.path(table)) as file:
        for batch in file.iter_batches(batch_size=1 << 20, columns=[column]):
            yield np.unique(batch.column(0).to_numpy())


def _runs(artifacts: Artifacts, outcome: Outcome) -> None:
    """Look at each trial and the one before: the next run of the same training, or a later one."""
    subject = "config_id" if artifacts.benchmark == "nds" else "arch_id"
    training = [subject, "dataset", "num_epochs"]
    room = room_of(artifacts.benchmark)
    trials = artifacts.table("trials", ["trial_id", *training, "run", *room.run_order])
    later = _increasing(trials.select(training))
    equal = np.append(False, ~later[1:])
    for name in training:
        values = trials[name].combine_chunks()
        same = pc.equal(values.slice(1), values.slice(0, max(len(values) - 1, 0)))
        equal[1:] &= np.asarray(same)
    run = trials["run"].to_numpy()
    good = np.where(equal, np.append(0, np.diff(run)) == 1, later & (run == 0))
    good &= ~equal | _increasing(room.rank_runs(trials.select(list(room.run_order))))
    good &= trials["trial_id"].to_numpy() == np.arange(trials.num_rows)
    bad = np.flatnonzero(~good)
    shown = trials.take(pa.array(bad[:5])).to_pylist()
    outcome.count(trials.num_rows, [f"trial {r['trial_id']}: {r}" for r in shown], len(bad))


def _positions(artifacts: Artifacts, outcome: Outcome) -> None:
    names = set(tables(artifacts.benchmark)["trials"].names)
    place = [name for name in ("source_file", "source_group") if name in names]
    columns = ["trial_id", *place, "source_pos"]
    rows = artifacts.table("trials", columns)
    rows = rows.sort_by([(name, "ascending") for name in (*place, "source_pos")])
    begins = np.zeros(rows.num_rows, dtype=bool)
    begins[:1] = True
    for name in place:
        values = pc.fill_null(rows[name], "").combine_chunks()
        differs = pc.not_equal(values.slice(1), values.slice(0, max(len(values) - 1, 0)))
        begins[1:] |= np.asarray(differs)
    position = rows["source_pos"].to_numpy()
    right = np.append(0, position[:-1] + 1)
    right[begins] = 0
    bad = np.flatnonzero(position != right)
    shown = zip(rows.take(pa.array(bad[:5])).to_pylist(), right[bad].tolist(), strict=False)
    outcome.count(
        rows.num_rows,
        [f"trial {r['trial_id']}: position {r['source_pos']} of {r['source_file']}, not {wanted}"
         for r, wanted in shown],
        len(bad),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------
# values


def _curve_rows(artifacts: Artifacts, outcome: Outcome) -> None:
    identity = ["arch_id", "dataset", "num_epochs", "run"]
    trials = artifacts.table("trials", identity)
    first = 0 if artifacts.benchmark == "nb101" else 1
    columns = ["trial_id", "epoch", *identity]
    for batch in artifacts.batches("curves", columns):
        mine = trials.take(batch["trial_id"])
        good = pc.and_(
            pc.greater_equal(batch["epoch"], first),
            pc.less_equal(batch["epoch"], batch["num_epochs"]),
        )
        for name in identity:
            good = pc.and_(good, pc.equal(batch[name], mine[name]))
        bad = batch.filter(pc.invert(good))
        examples = [f"trial {row['trial_id']}: {row}" for row in bad.slice(0, 5).to_pylist()]
        outcome.count(batch.num_rows, examples, failed=bad.num_rows)


def _finals(artifacts: Artifacts, outcome: Outcome) -> None:
    columns = [column.name for column in series(artifacts.benchmark)]
    trials = artifacts.table("trials", ["trial_id", "num_epochs", *columns])
    ended = np.zeros(trials.num_rows, dtype=bool)
    for rows in whole_trials(
        artifacts.path("curves"), ["trial_id", "epoch", "num_epochs", *columns]
    ):
        last = rows.filter(pc.equal(rows["epoch"], rows["num_epochs"]))
        mine = trials.take(last["trial_id"])
        ended[last["trial_id"].to_numpy()] = True
        for name in columns:
            bad = np.flatnonzero(~same_floats(last[name], mine[name]))
            ids = last["trial_id"].take(pa.array(bad[:5])).to_pylist()
            outcome.count(last.num_rows, [f"trial {i}: {name}" for i in ids], failed=len(bad))
    for name in columns:  # a curve without its last epoch has no last value
        bad = np.flatnonzero(~ended & np.asarray(trials[name].is_valid()))
        outcome.count(int((~ended).sum()), [f"trial {i}: {name}" for i in bad[:5]], len(bad))


def same_floats(first: pa.ChunkedArray, second: pa.ChunkedArray) -> np.ndarray:
    """Whether two float64 columns hold the same bits, and NULL at the same places."""
    valid = np.asarray(first.is_valid())
    bits = [np.asarray(pc.fill_null(c, 0.0)).view(np.int64) for c in (first, second)]
    return (valid == np.asarray(second.is_valid())) & (~valid | (bits[0] == bits[1]))


def _nan_notes(artifacts: Artifacts, outcome: Outcome) -> None:
    about = ["table", "key", "column", "code", "value"]
    notes = artifacts.table("notes", [*about, "kind"]).to_pylist()
    noted = Counter(tuple(n[name] for name in about) for n in notes if n["kind"] == "nan")
    found: Counter[tuple] = Counter()
    # Curves are blobs in SQLite, and hold a NaN; those of nb101 are rows.
    for name in ("trials", "means", *(["curves"] if artifacts.benchmark == "nb101" else [])):
        table = tables(artifacts.benchmark)[name]
        floats = [column.name for column in table.columns if column.type == "float64"]
        for batch in artifacts.batches(name, [*table.key, *floats]):
            for column in floats:
                nan = pc.fill_null(pc.is_nan(batch[column]), False)
                keys = batch.select(list(table.key)).filter(nan).to_pylist()
                found.update((name, json.dumps(key), column, _NAN, None) for key in keys)
    differ = sorted(((noted - found) + (found - noted)).elements(), key=str)
    examples = [f"{table} {key} {column}: {code}" for table, key, column, code, _ in differ]
    outcome.count((noted | found).total(), examples)


_NAN = "not-a-number"

_NOT_NEGATIVE = ("_loss", "_time_s", "_time_total_s", "params", "flops", "params_m", "flops_m")


def _range(column: Column) -> tuple[float, float] | None:
    """Lowest and highest value of a column; None where nothing is known."""
    if column.name.endswith("_pct"):
        return 0.0, 100.0
    if column.name.endswith(_NOT_NEGATIVE):
        return 0.0, np.inf
    return None


def _ranges(artifacts: Artifacts, outcome: Outcome) -> None:
    known = tables(artifacts.benchmark)
    for table in [name for name in ("trials", "curves", "iterations") if name in known]:
        limits = {column.name: _range(column) for column in known[table].columns}
        limited = {name: limit for name, limit in limits.items() if limit is not None}
        for batch in artifacts.batches(table, ["trial_id", *limited]):
            for name, limit in limited.items():
                _count_outside(batch, name, limit, table, outcome)


def _count_outside(
    batch: pa.Table, name: str, limit: tuple[float, float], table: str, outcome: Outcome
) -> None:
    low, high = limit
    values = batch[name]
    # Comparisons with NaN are false: a released NaN is a note, not a failure.
    outside = pc.or_(pc.less(values, low), pc.greater(values, high))
    bad = np.flatnonzero(np.asarray(pc.fill_null(outside, False)))
    shown = batch.select(["trial_id", name]).take(pa.array(bad[:5])).to_pylist()
    examples = [f"{table} {row['trial_id']}: {name} {row[name]}" for row in shown]
    outcome.count(batch.num_rows - values.null_count, examples, failed=len(bad))
