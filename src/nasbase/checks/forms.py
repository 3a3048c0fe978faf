"""Checks that SQLite and HDF5 hold the numbers of the Parquet tables, bit for bit; and NNI's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.checks.blobs import compare_blobs
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.checks.database import StoredRows, check_file, check_integrity, open_database
from nasbase.checks.nni import nni_checks
from nasbase.store.build import read_build
from nasbase.store.curves import Block, long_blocks, long_series
from nasbase.store.hdf5 import CHUNK_BYTES, PRESENT
from nasbase.store.parquet import DIGEST_ROWS
from nasbase.store.sqlite import APPLICATION_ID, BUILD_STATEMENT
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import series, tables
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
                long=True,
            ),
            Check(
                "all.sqlite.schema",
                "SQLite has the catalogue's tables and indexes and nothing else, to its last byte.",
                _sqlite_schema,
            ),
            Check(
                "all.sqlite.rows",
                "SQLite's rows equal Parquet's; NaN is NULL.",
                _sqlite_rows,
                long=True,
            ),
            Check(
                "all.sqlite.blobs",
                "SQLite's curves equal Parquet's, bit for bit.",
                _sqlite_blobs,
                long=True,
            ),
        ]
    if "hdf5" in forms:
        found += [
            Check("all.hdf5.build", "HDF5 belongs to this build.", _hdf5_build),
            Check(
                "all.hdf5.scales",
                "HDF5 has the groups, ids and seeds of trials; each series its unit and meaning; "
                "there is nothing else.",
                _hdf5_scales,
            ),
            Check(
                "all.hdf5.curves",
                "HDF5's curves equal Parquet's, bit for bit.",
                _hdf5_curves,
                long=True,
            ),
            Check(
                "all.hdf5.count",
                "HDF5 holds no point that Parquet does not, and no number beside the points.",
                _hdf5_count,
                long=True,
            ),
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
        # A bare _ would stand for any letter, and hide what is called sqliteX.
        query = (
            "SELECT sql FROM sqlite_master "
            "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        found = {sql for (sql,) in database.execute(query)}
    demanded = {*ddl(artifacts.benchmark), BUILD_STATEMENT}
    outcome.count(len(demanded), sorted(found ^ demanded))
    schema = read_build(artifacts.folder).schema
    check_file(artifacts.sqlite, APPLICATION_ID, schema, outcome)


def _sqlite_rows(artifacts: Artifacts, outcome: Outcome) -> None:
    blobs = blob_tables(artifacts.benchmark)
    for name, table in tables(artifacts.benchmark).items():
        if name in blobs:
            continue
        types = {field.name: _stored_type(field.type) for field in arrow_schema(table)}
        order = ", ".join(f'"{column}"' for column in table.key)
        with StoredRows(artifacts.sqlite, name, types, order, DIGEST_ROWS) as stored:
            for batch in artifacts.batches(name, list(types)):
                expected = pa.table(list(map(_as_stored, batch.columns)), names=list(types))
                found = stored.take(batch.num_rows)
                differ = _differ(expected, found)
                bad = [
                    f"{name}: {_row(expected, i)} != {_row(found, i)}" for i in differ[:5].tolist()
                ]
                outcome.count(batch.num_rows, bad, failed=len(differ))
            more = sum(rows.num_rows for rows in stored)
            outcome.count(0, [f"{name}: {more} rows too many"] if more else [], failed=more)


def _stored_type(type_: pa.DataType) -> pa.DataType:
    """What SQLite makes of a type; a boolean is 0 or 1."""
    return type_ if type_ in (pa.float64(), pa.string()) else pa.int64()


def _as_stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as SQLite holds it; NaN is NULL."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    return column.cast(_stored_type(column.type))


def _differ(expected: pa.Table, found: pa.Table) -> np.ndarray:
    """Rows that are not equal; what one side lacks is not."""
    count = found.num_rows
    bad = np.ones(expected.num_rows, dtype=bool)
    bad[:count] = False
    for one, other in zip(expected.slice(0, count).columns, found.columns, strict=True):
        if not one.equals(other):  # in one step, for speed
            null = np.asarray(one.is_null())
            same = np.asarray(pc.fill_null(pc.equal(one, other), False))
            bad[:count] |= ~(same | (null & np.asarray(other.is_null())))
    return np.flatnonzero(bad)


def _row(rows: pa.Table, number: int) -> tuple | None:
    there = rows.slice(number, 1).to_pylist()
    return tuple(there[0].values()) if there else None


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
    longest = pc.max(trials["num_epochs"]).as_py()
    columns = artifacts.table("columns", ["table", "column", "unit", "meaning"]).to_pylist()
    described = [row for row in columns if row["table"] == "curves" and row["column"] in curves]
    with h5py.File(artifacts.hdf5, "r") as file:
        more: list[str] = []
        file.visit(more.append)
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
            _shapes(file[name], scales, longest if nds else where["num_epochs"], outcome)
            said = dict(file[name].attrs)
            named = {"source_file": where["source_file"]} if nds else {}
            outcome.count(1, [] if said == named else [f"{name}: {said}"])
            known = {*scales, *curves, *(curve + PRESENT for curve in curves)}
            known = {name, name.split("/")[0], *(f"{name}/{item}" for item in known)}
            more = [item for item in more if item not in known]
        outcome.count(1, [f"there is {item}" for item in sorted(more)])


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
    axes = "trial, epoch" if "trial_id" in group else "architecture, run, epoch"
    for row in described:
        if row["column"] in group:
            said = dict(group[row["column"]].attrs)
            right = {"unit": row["unit"], "description": row["meaning"], "axes": axes}
            outcome.count(1, [] if said == right else [f"{group.name}/{row['column']}: {said}"])


def _shapes(
    group: h5py.Group, scales: Mapping[str, np.ndarray], length: int, outcome: Outcome
) -> None:
    """Scales are integers, series float64 and masks boolean, along all of the scales."""
    for name, item in group.items():
        kind = "<i8" if name in scales else "?" if name.endswith(PRESENT) else "<f8"
        shape = scales[name].shape if name in scales else (*scales["seed"].shape, length)
        right = (item.dtype, item.shape) == (np.dtype(kind), shape)
        outcome.count(1, [] if right else [f"{item.name}: {item.dtype} of shape {item.shape}"])


def _hdf5_curves(artifacts: Artifacts, outcome: Outcome) -> None:
    nds = artifacts.benchmark == "nds"
    names = long_series(artifacts.benchmark, "curves")
    files: np.ndarray | None = None
    if nds:
        trials = artifacts.table("trials", ["source_file"])
        files = np.asarray(trials["source_file"].to_pylist(), dtype=object)
    # Blocks are smaller than chunks: a data set that stays open keeps the chunk that it read last.
    with h5py.File(artifacts.hdf5, "r", rdcc_nbytes=2 * CHUNK_BYTES) as file:
        groups: dict[str, Mapping[str, h5py.Dataset]] = {}
        path, about = artifacts.path("curves"), ["dataset", "arch_id", "run"]
        for block in long_blocks(artifacts.benchmark, "curves", path, about=about):
            for group, chosen in _groups(block, files):
                if group not in groups:
                    groups[group] = dict(file[group].items())
                _compare_tensors(f"/{group}", groups[group], block, chosen, names, outcome=outcome)


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
    where: str,
    group: Mapping[str, h5py.Dataset],
    block: Block,
    chosen: np.ndarray,
    names: list[str],
    *,
    outcome: Outcome,
) -> None:
    scale = "trial_id" if "trial_id" in group else "arch_id"
    row = np.searchsorted(group[scale][()], block.rows[scale].to_numpy()[chosen])
    low, high = int(row.min()), int(row.max()) + 1
    inner = () if scale == "trial_id" else (block.rows["run"].to_numpy()[chosen],)
    bits = block.values.view(np.int64)
    for i, name in enumerate(names):
        present = block.present[chosen, i]
        if name not in group:
            outcome.count(len(chosen), [f"{where}/{name}"] if present.any() else [])
            continue
        at = (row - low, *inner, slice(0, block.length))
        found = group[name][low:high][at]
        mask = group[name + PRESENT][low:high][at]
        same = (mask == present).all(axis=1)
        # What is absent is NaN, so that a reader who forgets the mask sees no number.
        absent = np.isnan(found) & ~present
        same &= ((found.view(np.int64) == bits[chosen, i]) & present | absent).all(axis=1)
        bad = [f"{where}/{name} {scale} row {r}" for r in row[~same][:5]]
        outcome.count(len(chosen), bad, failed=int((~same).sum()))


def _hdf5_count(artifacts: Artifacts, outcome: Outcome) -> None:
    for column in series(artifacts.benchmark):
        expected = found = 0
        with artifacts.parquet("curves") as file:
            for batch in file.iter_batches(columns=[column.name]):
                expected += len(batch) - batch.column(0).null_count
        with h5py.File(artifacts.hdf5, "r") as file:
            for tensor, mask in _tensors(file, column.name):
                points, more = _points(tensor, mask)
                found += points
                outcome.count(1, [f"{tensor.name}: {more} numbers beside its points"] * bool(more))
        bad = [] if found == expected else [f"{column.name}: {expected} points, HDF5 {found}"]
        outcome.count(1, bad)


def _tensors(file: h5py.File, name: str) -> list[tuple[h5py.Dataset, h5py.Dataset]]:
    """The tensors of a series, and their masks."""
    found: list[tuple[h5py.Dataset, h5py.Dataset]] = []

    def visit(path: str, item: object) -> None:
        if path.endswith(f"/{name}") and isinstance(item, h5py.Dataset):
            found.append((item, file[path + PRESENT]))

    file.visititems(visit)
    return found


def _points(tensor: h5py.Dataset, mask: h5py.Dataset) -> tuple[int, int]:
    """Points of a tensor, and numbers where its mask says that there is no point."""
    points = more = 0
    for chunk in mask.iter_chunks():
        here = mask[chunk]
        points += int(here.sum())
        if not here.all():
            more += int((~here & ~np.isnan(tensor[chunk])).sum())
    return points, more
