"""Checks that SQLite and HDF5 hold the numbers of the Parquet tables, bit for bit; and NNI's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.checks.blobs import compare_blobs
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.checks.database import check_integrity, open_database
from nasbase.checks.nni import nni_checks
from nasbase.store.build import read_build
from nasbase.store.curves import Block, long_blocks, long_series
from nasbase.store.hdf5 import PRESENT
from nasbase.store.sqlite import APPLICATION_ID, BUILD_STATEMENT
from nasbase.tables.catalogue import series, tables
from nasbase.tables.columns import Table
from nasbase.tables.models import blob_tables, ddl


def form_checks(forms: tuple[str, ...]) -> list[Check]:
    """The checks of the forms that a build has beside Parquet."""
    found = []
    if "sqlite" in forms:
        found += [
            Check("all.sqlite.build", "SQLite belongs to this build.", _sqlite_build),
            Check(
                "all.sqlite.integrity",
                "SQLite's own integrity check passes.",
                lambda artifacts, outcome: check_integrity(artifacts.sqlite, outcome),
            ),
            Check(
                "all.sqlite.schema",
                "SQLite has the catalogue's tables and indexes and nothing else, to its last byte.",
                _sqlite_schema,
            ),
            Check("all.sqlite.rows", "SQLite's rows equal Parquet's; NaN is NULL.", _sqlite_rows),
            Check(
                "all.sqlite.blobs", "SQLite's curves equal Parquet's, bit for bit.", _sqlite_blobs
            ),
        ]
    if "hdf5" in forms:
        found += [
            Check("all.hdf5.build", "HDF5 belongs to this build.", _hdf5_build),
            Check(
                "all.hdf5.scales",
                "HDF5 has the groups, ids and seeds of trials; each series its unit and meaning.",
                _hdf5_scales,
            ),
            Check("all.hdf5.curves", "HDF5's curves equal Parquet's, bit for bit.", _hdf5_curves),
            Check("all.hdf5.count", "HDF5 holds no point that Parquet does not.", _hdf5_count),
        ]
    if "nni" in forms:
        found += nni_checks()
    return found


# ---------------------------------------------------------------------------------------------
# SQLite


def _sqlite_build(artifacts: Artifacts, outcome: Outcome) -> None:
    expected = read_build(artifacts.folder)
    with closing(open_database(artifacts.sqlite)) as database:
        found = dict(database.execute("SELECT key, value FROM build"))
        (schema,) = database.execute("PRAGMA user_version").fetchone()
    outcome.count(1, [] if found == expected.described() else [str(found)])
    outcome.count(1, [] if schema == expected.schema else [f"user_version {schema}"])


def _sqlite_schema(artifacts: Artifacts, outcome: Outcome) -> None:
    with closing(open_database(artifacts.sqlite)) as database:
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        found = {sql for (sql,) in database.execute(query)}
        pages, size, application = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "page_size", "application_id")
        )
    demanded = {*ddl(artifacts.benchmark), BUILD_STATEMENT}
    outcome.count(len(demanded), sorted(found ^ demanded))
    outcome.count(1, [] if application == APPLICATION_ID else [f"application_id {application}"])
    file = artifacts.sqlite.stat().st_size
    outcome.count(1, [] if file == pages * size else [f"{file} bytes, not {pages} * {size}"])


def _sqlite_rows(artifacts: Artifacts, outcome: Outcome) -> None:
    blobs = blob_tables(artifacts.benchmark)
    with closing(open_database(artifacts.sqlite)) as database:
        for name, table in tables(artifacts.benchmark).items():
            if name in blobs:
                continue
            stored = _stored_rows(database, table)
            for batch in artifacts.batches(name):
                expected = _as_sqlite(batch)
                found = [next(stored, None) for _ in range(batch.num_rows)]
                bad = [
                    f"{name}: {e} != {f}" for e, f in zip(expected, found, strict=True) if e != f
                ]
                outcome.count(batch.num_rows, bad[:5], failed=len(bad))
            more = sum(1 for _ in stored)
            outcome.count(0, [f"{name}: {more} rows too many"] if more else [], failed=more)


def _stored_rows(database: sqlite3.Connection, table: Table) -> Iterator[tuple]:
    columns = ", ".join(f'"{name}"' for name in table.names)
    order = ", ".join(f'"{name}"' for name in table.key)
    return iter(database.execute(f'SELECT {columns} FROM "{table.name}" ORDER BY {order}'))  # noqa: S608


def _as_sqlite(batch: pa.Table) -> list[tuple]:
    columns = []
    for column in batch.columns:
        values = column.to_pylist()
        if pa.types.is_floating(column.type):
            values = [None if v is None or v != v else v for v in values]  # noqa: PLR0124
        columns.append(values)
    return list(zip(*columns, strict=True))


def _sqlite_blobs(artifacts: Artifacts, outcome: Outcome) -> None:
    with closing(open_database(artifacts.sqlite)) as database:
        compare_blobs(artifacts, outcome, database)


# ---------------------------------------------------------------------------------------------
# HDF5


def _hdf5_build(artifacts: Artifacts, outcome: Outcome) -> None:
    expected = read_build(artifacts.folder).described()
    with h5py.File(artifacts.hdf5, "r") as file:
        found = dict(file.attrs)
    outcome.count(1, [] if found == expected else [str(found)])


def _hdf5_scales(artifacts: Artifacts, outcome: Outcome) -> None:
    nds = artifacts.benchmark == "nds"
    names = ["trial_id", "arch_id", "dataset", "num_epochs", "run", "seed"]
    names += ["source_file"] if nds else []
    trials = artifacts.table("trials", names)
    by = ["source_file"] if nds else ["dataset", "num_epochs"]
    groups = {
        "/".join(str(row[name]) for name in by).removesuffix(".json"): row
        for row in trials.group_by(by).aggregate([]).to_pylist()
    }
    curves = {column.name for column in series(artifacts.benchmark)}
    columns = artifacts.table("columns", ["table", "column", "unit", "meaning"]).to_pylist()
    described = [row for row in columns if row["table"] == "curves" and row["column"] in curves]
    with h5py.File(artifacts.hdf5, "r") as file:
        for name, where in groups.items():
            if name not in file:
                outcome.count(1, [f"there is no group {name}"])
                continue
            mine = trials
            for column, value in where.items():
                mine = mine.filter(pc.equal(mine[column], value))
            scales = _scales_of_jobs(mine) if nds else _scales_of_runs(mine)
            for scale, right in scales.items():
                same = scale in file[name] and np.array_equal(file[name][scale][()], right)
                outcome.count(1, [] if same else [f"{name}/{scale}"])
            _labels(file[name], described, outcome)
        members = {m for m in file if isinstance(file[m], h5py.Group)}
        more = members - {name.split("/")[0] for name in groups}
        outcome.count(1, [f"there is a group {name}" for name in sorted(more)])


def _scales_of_jobs(trials: pa.Table) -> dict[str, np.ndarray]:
    columns = {name: trials[name] for name in ("trial_id", "arch_id", "seed")}
    return {name: pc.fill_null(column, -1).to_numpy() for name, column in columns.items()}


def _scales_of_runs(trials: pa.Table) -> dict[str, np.ndarray]:
    """Ids of architectures, and the seed of each of their runs; -1 where there is no run."""
    rows = trials.select(["arch_id", "run", "seed"]).to_pylist()
    seeds = {(row["arch_id"], row["run"]): row["seed"] for row in rows}
    ids = sorted({arch for arch, _ in seeds})
    runs = range(max(run for _, run in seeds) + 1)
    table = [[seeds.get((arch, run), -1) for run in runs] for arch in ids]
    return {"arch_id": np.array(ids), "seed": np.array(table)}


def _labels(group: h5py.Group, described: Iterable[Mapping[str, str]], outcome: Outcome) -> None:
    for row in described:
        if row["column"] in group:
            said = dict(group[row["column"]].attrs)
            right = said.get("unit") == row["unit"] and said.get("description") == row["meaning"]
            outcome.count(1, [] if right else [f"{group.name}/{row['column']}: {said}"])


def _hdf5_curves(artifacts: Artifacts, outcome: Outcome) -> None:
    nds = artifacts.benchmark == "nds"
    names = long_series(artifacts.benchmark, "curves")
    files: np.ndarray | None = None
    if nds:
        trials = artifacts.table("trials", ["source_file"])
        files = np.asarray(trials["source_file"].to_pylist(), dtype=object)
    with h5py.File(artifacts.hdf5, "r") as file:
        for block in long_blocks(artifacts.benchmark, "curves", artifacts.path("curves")):
            for group, chosen in _groups(block, files):
                _compare_tensors(file[group], block, chosen, names, outcome)


def _groups(block: Block, files: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    if files is None:
        where = np.asarray(block.rows["dataset"].to_pylist(), dtype=object)
        suffix = f"/{block.length}"
    else:
        where = files[block.rows["trial_id"].to_numpy()]
        where = np.asarray([name.removesuffix(".json") for name in where], dtype=object)
        suffix = ""
    for name in sorted(set(where)):
        yield name + suffix, np.flatnonzero(where == name)


def _compare_tensors(
    group: h5py.Group, block: Block, chosen: np.ndarray, names: list[str], outcome: Outcome
) -> None:
    scale = "trial_id" if "trial_id" in group else "arch_id"
    row = np.searchsorted(group[scale][()], block.rows[scale].to_numpy()[chosen])
    low, high = int(row.min()), int(row.max()) + 1
    inner = () if scale == "trial_id" else (block.rows["run"].to_numpy()[chosen],)
    bits = block.values.view(np.int64)
    for i, name in enumerate(names):
        present = block.present[chosen, i]
        if name not in group:
            outcome.count(len(chosen), [f"{group.name}/{name}"] if present.any() else [])
            continue
        at = (row - low, *inner, slice(0, block.length))
        found = group[name][low:high][at]
        mask = group[name + PRESENT][low:high][at]
        same = (mask == present).all(axis=1)
        # What is absent is NaN, so that a reader who forgets the mask sees no number.
        absent = np.isnan(found) & ~present
        same &= ((found.view(np.int64) == bits[chosen, i]) & present | absent).all(axis=1)
        bad = [f"{group.name}/{name} {scale} row {r}" for r in row[~same][:5]]
        outcome.count(len(chosen), bad, failed=int((~same).sum()))


def _hdf5_count(artifacts: Artifacts, outcome: Outcome) -> None:
    for column in series(artifacts.benchmark):
        expected = found = 0
        with artifacts.parquet("curves") as file:
            for batch in file.iter_batches(columns=[column.name]):
                expected += len(batch) - batch.column(0).null_count
        with h5py.File(artifacts.hdf5, "r") as file:
            found = sum(_present_points(mask) for mask in _masks(file, column.name + PRESENT))
        bad = [] if found == expected else [f"{column.name}: {expected} points, HDF5 {found}"]
        outcome.count(1, bad)


def _masks(file: h5py.File, name: str) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []

    def visit(path: str, item: object) -> None:
        if path.endswith(f"/{name}") and isinstance(item, h5py.Dataset):
            found.append(item)

    file.visititems(visit)
    return found


def _present_points(mask: h5py.Dataset) -> int:
    step = mask.chunks[0]
    return sum(int(mask[i : i + step].sum()) for i in range(0, mask.shape[0], step))
