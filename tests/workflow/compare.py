"""Comparing built artifacts with expected tables, number by number, through four readers."""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import duckdb
import h5py
import numpy as np
import pandas as pd
from expected import series_of

LONG = {"curves": "trial_curves", "iterations": "trial_iterations"}


def is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def same(found: object, wanted: object) -> bool:
    """The same bits; any NaN equals any NaN, NULL equals NULL alone."""
    if isinstance(found, float) and isinstance(wanted, (int, float)):
        if is_nan(found) or is_nan(wanted):
            return is_nan(found) and is_nan(wanted)
        return struct.pack("<d", found) == struct.pack("<d", wanted)
    return found == wanted


def assert_rows(found: list[dict], wanted: list[dict], what: str) -> int:
    """Compare rows in order; the number of values compared."""
    assert len(found) == len(wanted), f"{what}: {len(found)} rows, expected {len(wanted)}"
    different = []
    for number, (row, right) in enumerate(zip(found, wanted, strict=True)):
        assert row.keys() == right.keys(), f"{what}: {row.keys() ^ right.keys()}"
        different += [
            (what, number, name, row[name], right[name])
            for name in right
            if not same(row[name], right[name])
        ]
    assert not different, f"{len(different)} values differ: {different[:5]}"
    return sum(map(len, found))


def rows_of(columns: list[str], tuples: list[tuple]) -> list[dict]:
    rows = [dict(zip(columns, values, strict=True)) for values in tuples]
    for row in rows:
        if row.get("extra") is not None:
            row["extra"] = json.loads(row["extra"])
    return rows


# ---------------------------------------------------------------------------------------------
# Parquet


def duckdb_rows(path: Path) -> list[dict]:
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM '{path}'")
        return rows_of([column[0] for column in cursor.description], cursor.fetchall())


def assert_parquet(folder: Path, tables: dict) -> int:
    """Every table through DuckDB, which tells NULL from NaN; notes as a set."""
    count = 0
    for name, wanted in tables.items():
        found = duckdb_rows(folder / f"{name}.parquet")
        if name == "notes":
            kinds = {"nan", "erratum"}
            notes = {
                (row["kind"], row["table"], row["key"], row["column"], row["value"])
                for row in found
                if row["kind"] in kinds and row["key"] is not None
            }
            assert notes == wanted, sorted(notes ^ wanted, key=str)[:5]
        else:
            count += assert_rows(found, wanted, name)
    return count


def assert_pandas(folder: Path, tables: dict) -> None:
    """Every float column through pandas, for which NULL is NaN."""
    for name, wanted in tables.items():
        frame = pd.read_parquet(folder / f"{name}.parquet")
        for column in frame.select_dtypes("float64"):
            right = [math.nan if row[column] is None else row[column] for row in wanted]
            np.testing.assert_array_equal(frame[column], np.array(right, float), f"{name}.{column}")


# ---------------------------------------------------------------------------------------------
# SQLite


def decode_blob(data: bytes, num_series: int, length: int) -> list[list[float | None]]:
    """The layout that docs/tables.md describes, read without the package."""
    series, at = [], -(-num_series // 8) * 8

    def floats(count: int) -> list[float]:
        nonlocal at
        at += 8 * count
        return list(struct.unpack_from(f"<{count}d", data, at - 8 * count))

    for mode in data[:num_series]:
        present = [mode > 0] * length
        if mode == 3:
            mask = int.from_bytes(data[at : at + -(-length // 8)], "little")
            at += -(-length // 64) * 8
            present = [bool(mask >> i & 1) for i in range(length)]
        values = floats(1) * length if mode == 2 else floats(sum(present))
        points = iter(values)
        series.append([next(points) if here else None for here in present])
    assert at == len(data)
    return series


def assert_sqlite(path: Path, benchmark: str, tables: dict) -> int:
    count = 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        present = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        for name, wanted in tables.items():
            if name == "notes":
                continue
            if benchmark != "nb101" and name in LONG:
                count += _assert_blobs(database, benchmark, name, wanted)
                assert name not in present
                continue
            cursor = database.execute(f'SELECT * FROM "{name}"')
            found = rows_of([column[0] for column in cursor.description], cursor.fetchall())
            # SQLite has no NaN; the notes, compared in Parquet, say where one was.
            right = [{k: None if is_nan(v) else v for k, v in row.items()} for row in wanted]
            order = [key for key in ("trial_id", "config_id", "arch_id") if key in right[0]][:1]
            order += [key for key in ("dataset", "num_epochs", "epoch") if key in right[0]]
            found.sort(key=lambda row: [row[key] for key in order])
            count += assert_rows(found, sorted(right, key=lambda r: [r[k] for k in order]), name)
    return count


def _assert_blobs(database: sqlite3.Connection, benchmark: str, name: str, wanted: list) -> int:
    names = series_of(benchmark) if name == "curves" else ("train_loss", "train_err_pct")
    point, first = ("epoch", 1) if name == "curves" else ("sample", 0)
    by_trial: dict[int, dict] = {}
    for row in wanted:
        by_trial.setdefault(row["trial_id"], {})[row[point] - first] = row
    blobs = database.execute(f"SELECT trial_id, length, data FROM {LONG[name]}").fetchall()
    assert {blob[0] for blob in blobs} == set(by_trial)
    for trial, length, data in blobs:
        rows = by_trial[trial]
        some = next(iter(rows.values()))
        assert length == some.get("num_epochs", len(rows))
        for column, values in zip(names, decode_blob(data, len(names), length), strict=True):
            right = [rows[i][column] if i in rows else None for i in range(length)]
            wrong = [i for i in range(length) if not same(values[i], right[i])]
            assert not wrong, (name, trial, column, wrong[0], values[wrong[0]], right[wrong[0]])
    return sum(len(names) * length for _trial, length, _data in blobs)


# ---------------------------------------------------------------------------------------------
# HDF5


def assert_hdf5(path: Path, benchmark: str, tables: dict) -> int:
    """Rebuild every tensor from the expected rows, and compare value by value and mask by mask."""
    trials = {row["trial_id"]: row for row in tables["trials"]}
    places = {trial: _place(benchmark, row) for trial, row in trials.items()}
    points: dict[tuple, float] = {}
    for row in tables["curves"]:
        group, place = places[row["trial_id"]]
        for name in series_of(benchmark):
            if row[name] is not None:
                points[group, name, *place, row["epoch"]] = row[name]
    count = 0
    with h5py.File(path, "r") as file:
        groups = {group for group, _place in places.values()}
        for group in groups:
            names = {key.removesuffix("__present") for key in file[group]}
            scale = "trial_id" if benchmark == "nds" else "arch_id"
            wanted = {name for at_group, name, *_ in points if at_group == group}
            assert names - {scale, "arch_id", "seed"} == wanted
            ids = file[group][scale][()].tolist()
            if benchmark == "nds":
                assert file[group]["arch_id"][()].tolist() == [trials[i]["arch_id"] for i in ids]
            assert ids == sorted({place[0] for g, place in places.values() if g == group})
            _assert_seeds(file[group], group, places, trials, ids)
            for name in wanted:
                values, present = file[group][name][()], file[group][f"{name}__present"][()]
                for at in np.ndindex(values.shape):
                    key = (group, name, ids[at[0]], *at[1:-1], at[-1] + 1)
                    assert present[at] == (key in points), key
                    assert same(float(values[at]), points.get(key, math.nan)), key
                count += values.size
                assert values.shape == present.shape
        # No point fell outside its tensor: every one of them was met above.
        assert sum(int(file[g][f"{n}__present"][()].sum()) for g, n in {p[:2] for p in points}) == (
            len(points)
        )
    return count


def _place(benchmark: str, trial: dict) -> tuple[str, tuple[int, ...]]:
    if benchmark == "nds":
        return Path(trial["source_file"]).stem, (trial["trial_id"],)
    return f"{trial['dataset']}/{trial['num_epochs']}", (trial["arch_id"], trial["run"])


def _assert_seeds(group: h5py.Group, name: str, places: dict, trials: dict, ids: list) -> None:
    seeds = np.full(group["seed"].shape, -1)
    for trial, (at_group, place) in places.items():
        if at_group == name:
            seed = trials[trial]["seed"]
            seeds[ids.index(place[0]), *place[1:]] = -1 if seed is None else seed
    np.testing.assert_array_equal(group["seed"][()], seeds)


def assert_artifacts(folder: Path, benchmark: str, tables: dict) -> int:
    """All forms of an installed build; the number of values compared."""
    count = assert_parquet(folder, tables)
    assert_pandas(folder, {name: rows for name, rows in tables.items() if name != "notes"})
    count += assert_sqlite(folder / f"{benchmark}.sqlite", benchmark, tables)
    if benchmark != "nb101":
        count += assert_hdf5(folder / "curves.h5", benchmark, tables)
    return count
