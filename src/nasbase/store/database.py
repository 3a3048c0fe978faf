"""SQLite files in the making, filled from Arrow tables without a Python object for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import adbc_driver_sqlite.dbapi
import pyarrow as pa


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be what it is: the driver tries to cancel, which SQLite's cannot, and says so."""
    try:
        yield
    except adbc_driver_sqlite.dbapi.NotSupportedError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise


class NewDatabase:
    """A database that is being written; `new_database` begins and ends it."""

    def __init__(self, connection: adbc_driver_sqlite.dbapi.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        """Execute one statement; what it returns is dropped."""
        with interruptible(), self._connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows into the columns of the same names; SQLite makes a NaN NULL."""
        with interruptible(), self._connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="append")

    def insert_pairs(self, table: str, pairs: Mapping[str, str]) -> None:
        """Insert into the columns ``key`` and ``value``, in the order of the keys."""
        keys = sorted(pairs)
        texts = {"key": keys, "value": [pairs[key] for key in keys]}
        self.insert(table, pa.table(texts))


@contextmanager
def new_database(path: Path, pragmas: Mapping[str, int]) -> Iterator[NewDatabase]:
    """Write a database in the block; what was written stands when the block ends well.

    It is a temporary file until it is whole: it has no journal, and nobody waits for the disk.

    Parameters
    ----------
    path
        The file; it does not exist yet.
    pragmas
        Settings, by name.
    """
    address = path.resolve().as_uri()
    with closing(adbc_driver_sqlite.dbapi.connect(address, autocommit=True)) as connection:
        database = NewDatabase(connection)
        for name, value in {"journal_mode": "OFF", "synchronous": "OFF", **pragmas}.items():
            database.execute(f"PRAGMA {name} = {value}")
        # All in one transaction: their number stands in the file.
        connection.adbc_connection.set_autocommit(False)
        yield database
        connection.adbc_connection.commit()
