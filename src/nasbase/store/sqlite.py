"""SQLite: point queries and SQL, built from the Parquet tables alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from nasbase.staging import staged_file
from nasbase.store.build import Build, read_build
from nasbase.store.curves import long_blocks
from nasbase.store.parquet import read_batches
from nasbase.store.series_blob import encode
from nasbase.tables.catalogue import tables
from nasbase.tables.models import blob_tables, ddl

APPLICATION_ID = 0x6E617362
"""``nasb`` in ASCII: what `file` and SQLite see in the header."""

PAGE_SIZE = 4096

BUILD_STATEMENT = "CREATE TABLE build (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT"
"""The table that says which build a database belongs to; it is in no catalogue."""


def write_sqlite(parquet: Path, path: Path, *, scratch: Path | None = None) -> None:
    """Write the SQLite database of the build whose Parquet tables are in ``parquet``.

    Tables are those of the catalogue, ``STRICT``; ``curves`` and ``iterations`` are stored as one
    blob per trial (`nasbase.store.series_blob`) except for nb101. A NaN becomes NULL; a row of
    ``notes`` of kind ``nan`` says where. The file grows in ``scratch``, else beside ``path``, and
    appears when it is whole.
    """
    build = read_build(parquet)
    with staged_file(path, scratch) as temporary, closing(_create(temporary, build)) as database:
        blobs = blob_tables(build.benchmark)
        for name in tables(build.benchmark):
            source = parquet / f"{name}.parquet"
            if name in blobs:
                _insert(database, blobs[name], 3, _blob_rows(build.benchmark, name, source))
            else:
                columns = len(tables(build.benchmark)[name].columns)
                _insert(database, name, columns, _rows(source))
        for statement in _index_statements(build.benchmark):
            database.execute(statement)
        database.execute("COMMIT")
        database.execute("ANALYZE")


def _create(path: Path, build: Build) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    # The file is a temporary one until it is whole: no journal, no waiting for the disk.
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {build.schema}")
    database.execute("BEGIN")
    for statement in ddl(build.benchmark):
        if statement.startswith("CREATE TABLE"):
            database.execute(statement)
    database.execute(BUILD_STATEMENT)
    database.executemany("INSERT INTO build VALUES (?, ?)", sorted(build.described().items()))
    return database


def _index_statements(benchmark: str) -> list[str]:
    return [statement for statement in ddl(benchmark) if not statement.startswith("CREATE TABLE")]


def _insert(database: sqlite3.Connection, table: str, columns: int, rows: Iterable[tuple]) -> None:
    places = ", ".join("?" * columns)
    database.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)  # noqa: S608


def _rows(source: Path) -> Iterator[tuple]:
    """Rows of a Parquet table; sqlite3 itself turns NaN into NULL."""
    for batch in read_batches(source):
        yield from zip(*(_python_values(column) for column in batch.columns), strict=True)


def _python_values(column: pa.ChunkedArray) -> list:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.to_pylist()


def _blob_rows(benchmark: str, name: str, source: Path) -> Iterator[tuple[int, int, bytes]]:
    for block in long_blocks(benchmark, name, source):
        trials = block.rows["trial_id"].to_pylist()
        for trial, blob in zip(trials, encode(block.values, block.present), strict=True):
            yield trial, block.length, blob
