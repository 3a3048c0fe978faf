"""Floors: what the libraries need for the same bytes and rows, without any code of ours.

Each floor runs over a part of a release, and is scaled to the whole of it. Every core runs it at
the same time, because the jobs of a build share the bandwidth of the memory, too. Reading and
writing are apart, as `convert` and the rules after it are.
"""

from __future__ import annotations

import base64
import bz2
import json
import multiprocessing
import os
import pickle
import random
import sqlite3
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import mean
from time import perf_counter, process_time

import google_crc32c
import orjson
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from again import Steps

from nasbase.sources.table import SourcesTable
from nasbase.store.parquet import read_batches
from nasbase.tables.catalogue import tables

RELEASE = "sample"
RECORDS, MEMBERS, ENTRIES, JSON_BYTES = 1_000_000, 600, 1_000, 200_000_000
"""Parts of a release that the floors read."""

TURNS = 4
"""A step and its floor run in turn so many times: single runs differ by a fifth."""

ROUNDS = 5
"""What the disk and the cores deliver varies by half from minute to minute: the fastest of so many
times counts, at four times between the other floors."""


def floors(name: str, folder: Path, cores: int) -> dict[str, float]:
    """CPU seconds of the floors for the release in ``folder / "samples"`` and its build.

    ``decode_s``: reading the raw file, before and after the step itself. ``parquet_s``: writing
    the Parquet tables. ``sqlite_s``: inserting the rows of SQLite's tables, without indexes.
    ``own_decode_s`` and so on: what the steps of the build need, run again right after
    (`again.py`). And what is measured against the disk, in wall seconds: ``column_s``, reading one
    column of all curves through Parquet, and ``column_disk_s``, reading as many bytes as its
    numbers take from the raw file.
    """
    samples, work = folder / "samples", folder / "work"
    release = SourcesTable.load(samples / "sources.yaml").release(name, RELEASE)
    (file,) = release.files
    raw, parquet = samples / file.name, work / "build" / name / release.key / "parquet"
    curves = parquet / "curves.parquet"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        own = Steps(release, work, Path(scratch), cores)
        columns = [_column(curves, raw)]
        before = _on_all(cores, _DECODE[name], raw)  # on both sides of what takes minutes
        decoded = own.decode()
        after = _on_all(cores, _DECODE[name], raw)
        columns.append(_column(curves, raw))
        rows = _in_turn("parquet_s", lambda: _on_all(cores, _parquet, parquet), own.assemble)
        columns.append(_column(curves, raw))
        database = _in_turn("sqlite_s", lambda: _on_all(cores, _sqlite, name, parquet), own.sqlite)
        columns.append(_column(curves, raw))
    return {
        "decode_s": round((before + after) / 2, 2),
        "own_decode_s": decoded,
        **rows,
        **database,
        **{key: min(column[key] for column in columns) for key in columns[0]},
    }


def _in_turn(name: str, floor: Callable[[], float], step: Callable[[], float]) -> dict[str, float]:
    """Mean seconds of a floor and of the step that stands under it, `TURNS` times each."""
    floors, steps = zip(*[(floor(), step()) for _ in range(TURNS)], strict=True)
    return {name: round(mean(floors), 2), f"own_{name}": round(mean(steps), 2)}


def _on_all(cores: int, floor: Callable[..., float], *given: object) -> float:
    """Mean CPU seconds of a floor that all cores run at once."""
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(floor, *given) for _ in range(cores)]
        return round(mean(run.result() for run in runs), 2)


# ---------------------------------------------------------------------------------------------
# raw files


def _records(path: Path) -> float:
    """Frames, CRC-32C in C, JSON, base64, and the doubles of each message by a fixed layout."""
    start = process_time()
    read = count = 0
    with path.open("rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack_from("<Q", header)
            record, _ = file.read(length), file.read(4)
            google_crc32c.value(record)
            message = base64.b64decode(orjson.loads(record)[4])
            struct.unpack_from("<d8xd8xd8xd8xd", message, 3)
            read, count = read + length + 16, count + 1
            if count == RECORDS:
                break
    return (process_time() - start) * path.stat().st_size / read


def _members(path: Path) -> float:
    """bz2 and the C unpickler on random members, scaled to all of them."""
    with tarfile.open(path) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and "meta" not in m.name]
        chosen = random.Random(1).sample(members, min(MEMBERS, len(members)))
        start = process_time()
        for member in chosen:
            file = tar.extractfile(member)
            if file is None:
                raise SystemExit(f"{path}: {member.name} is no file")
            pickle.loads(bz2.decompress(file.read()))  # noqa: S301 - our own sample
        spent = process_time() - start
    return spent * sum(m.size for m in members) / sum(m.size for m in chosen)


def _entries(path: Path) -> float:
    """The C unpickler on a release of fewer architectures; a whole one would need 24 GB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nasbase.cli", "sample", "--benchmark=nb201", "--seed=1"]
        command += [f"--architectures={ENTRIES}", folder]
        subprocess.run(command, check=True, capture_output=True)
        (part,) = Path(folder).glob("*.pth")
        size = part.stat().st_size
        with part.open("rb") as file:
            start = process_time()
            for _ in range(4):  # magic number, protocol, system, the object itself
                pickle.load(file)  # noqa: S301 - our own sample
            spent = process_time() - start
    return spent * path.stat().st_size / size


def _json(path: Path) -> float:
    """Unzip and `json.load`, file by file."""
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(".json")]
        random.Random(1).shuffle(members)
        start, read = process_time(), 0
        for member in members:
            json.loads(archive.read(member))
            read += member.file_size
            if read > JSON_BYTES:
                break
        spent = process_time() - start
    return spent * sum(m.file_size for m in members) / read


_DECODE: dict[str, Callable[[Path], float]] = {
    "nb101": _records,
    "nb201": _entries,
    "nats_tss": _members,
    "nats_sss": _members,
    "nds": _json,
}


# ---------------------------------------------------------------------------------------------
# one column of all curves


def _column(curves: Path, raw: Path) -> dict[str, float]:
    """Read the first column of float64 of a table, and as many bytes of another file."""
    schema = pq.read_schema(curves)
    name = next(field.name for field in schema if pa.types.is_float64(field.type))
    size = 8 * pq.read_metadata(curves).num_rows
    left = min(size, raw.stat().st_size)
    scanned, read = [], []
    for _ in range(ROUNDS):  # in turn, so that both meet the same disk
        scanned.append(_seconds(curves, lambda: _scan(curves, name)))
        read.append(_seconds(raw, lambda: _read(raw, left)))
    return {"column_s": round(min(scanned), 3), "column_disk_s": round(min(read) * size / left, 3)}


def _scan(path: Path, column: str) -> None:
    for _ in ds.dataset(path).to_batches(columns=[column]):
        pass


def _read(path: Path, size: int) -> None:
    with path.open("rb", buffering=0) as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            size -= len(block)


def _seconds(path: Path, action: Callable[[], None]) -> float:
    """Wall seconds of something that reads a file from the disk."""
    _forget(path)
    start = perf_counter()
    action()
    return perf_counter() - start


def _forget(path: Path) -> None:
    """Drop a file from the system's cache, so that it is read from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------------------------------------
# tables


def _parquet(folder: Path) -> float:
    """Write rows that are in memory, with zstd and nothing else."""
    spent = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for source in sorted(folder.glob("*.parquet")):
            schema = pq.read_schema(source)
            with pq.ParquetWriter(Path(scratch, "t"), schema, compression="zstd") as writer:
                for rows in read_batches(source, 122_880):
                    start = process_time()
                    writer.write_table(rows)
                    spent += process_time() - start
    return spent


def _sqlite(name: str, folder: Path) -> float:
    """`executemany` of tuples that are in memory, and of blobs of the size of the long tables."""
    spent = 0.0
    with tempfile.TemporaryDirectory() as scratch, closing(_database(Path(scratch, "t"))) as base:
        for table in tables(name):
            source = folder / f"{table}.parquet"
            long = name != "nb101" and table in ("curves", "iterations")
            columns = 2 if long else len(pq.read_schema(source))
            base.execute(f"CREATE TABLE {table} ({', '.join(f'c{i}' for i in range(columns))})")
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608
            for rows in read_batches(source):
                values = _blobs(rows) if long else _tuples(rows)
                start = process_time()
                base.executemany(insert, values)
                spent += process_time() - start
        start = process_time()
        base.execute("COMMIT")
        spent += process_time() - start
    return spent


def _database(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    return base


def _tuples(rows: pa.Table) -> list[tuple]:
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def _blobs(rows: pa.Table) -> list[tuple]:
    """As many bytes as the doubles of the rows, in one blob per trial."""
    trials = rows["trial_id"].combine_chunks().value_counts()
    series = sum(pa.types.is_float64(field.type) for field in rows.schema)
    return [(pair["values"], bytes(8 * series * pair["counts"])) for pair in trials.to_pylist()]
