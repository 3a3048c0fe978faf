"""What the checks of SQLite and of NNI's database share: files of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import adbc_driver_sqlite.dbapi
import pyarrow as pa

from nasbase.checks.check import Outcome
from nasbase.store.database import interruptible

_EXAMPLES = {pa.int64(): "0", pa.float64(): "0.5", pa.string(): "''"}
_BATCH_ROWS = "adbc.sqlite.query.batch_rows"


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database for reading alone."""
    return sqlite3.connect(_uri(path), uri=True)


def check_integrity(path: Path, outcome: Outcome) -> None:
    """Run SQLite's own integrity check."""
    with closing(open_database(path)) as database:
        lines = [line for (line,) in database.execute("PRAGMA integrity_check")]
    outcome.count(1, [line for line in lines if line != "ok"])


def check_file(path: Path, application: int, user: int, outcome: Outcome) -> None:
    """Compare what the file says of itself, and that it has nothing but the database's pages."""
    plain: dict[str, object] = {"page_size": 4096, "application_id": application}
    plain |= {"user_version": user, "encoding": "UTF-8"}
    with closing(open_database(path)) as database:
        header = {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in plain}
        (pages,) = database.execute("PRAGMA page_count").fetchone()
    outcome.count(1, [] if header == plain else [str(header)])
    with path.open("rb") as file:
        versions = file.read(20)[18:]
    # With a write-ahead log, nobody can open a database in a folder that he must not write to.
    outcome.count(1, [] if versions == b"\1\1" else [f"journal of form {list(versions)}"])
    size = path.stat().st_size
    right = size == pages * header["page_size"]
    outcome.count(1, [] if right else [f"{size} bytes, not {pages} * {header['page_size']}"])


class StoredRows:
    """Rows of one table of a database, column by column and without a Python object for each.

    Use it as a context manager.

    Parameters
    ----------
    path
        The database.
    table
        Name of the table.
    types
        Its columns, and for each int64, float64 or string: the type of its values.
    order
        What the rows are sorted by: their key.
    batch_rows
        Rows that are read at once.
    """

    def __init__(
        self, path: Path, table: str, types: Mapping[str, pa.DataType], order: str, batch_rows: int
    ) -> None:
        self._path, self._types, self._batch_rows = path, types, batch_rows
        columns = ", ".join(f'"{name}"' for name in types)
        # The driver takes the types from the first rows, where a column may be NULL throughout.
        examples = ", ".join(f'{_EXAMPLES[type_]} AS "{name}"' for name, type_ in types.items())
        rows = f'SELECT {columns} FROM "{table}" ORDER BY {order}'  # noqa: S608
        self._query = f"SELECT {examples} UNION ALL SELECT * FROM ({rows})"  # noqa: S608
        self._rest = pa.schema(types.items()).empty_table()

    def __enter__(self) -> Self:
        self._connection = adbc_driver_sqlite.dbapi.connect(_uri(self._path))
        self._cursor = self._connection.cursor()
        self._cursor.adbc_statement.set_options(**{_BATCH_ROWS: self._batch_rows})
        with interruptible():
            self._cursor.execute(self._query)
        self._batches = self._read()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cursor.close()
        self._connection.close()

    def __iter__(self) -> Iterator[pa.Table]:
        """The rows that are left, as they are read."""
        if self._rest.num_rows:
            yield self._rest
        yield from self._batches

    def _read(self) -> Iterator[pa.Table]:
        examples = 1
        for batch in self._cursor.fetch_record_batch():
            yield pa.Table.from_batches([batch]).slice(examples)
            examples = 0

    def take(self, count: int) -> pa.Table:
        """The next rows; fewer at the end."""
        tables = [self._rest]
        while sum(table.num_rows for table in tables) < count:
            more = next(self._batches, None)
            if more is None:
                break
            tables.append(more)
        rows = pa.concat_tables(tables)
        self._rest = rows.slice(count)
        return rows.slice(0, count)


def _uri(path: Path) -> str:
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"
