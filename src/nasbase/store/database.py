"""SQLite files in the making, filled from Arrow tables without a Python object for each value."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import adbc_driver_sqlite.dbapi
import pyarrow as pa


class NewDatabase:
    """A database that is being written.

    It is a temporary file until it is whole: it has no journal, and nobody waits for the disk. Use
    it as a context manager.

    Parameters
    ----------
    path
        The file; it does not exist yet.
    pragmas
        Settings, by name.
    """

    def __init__(self, path: Path, pragmas: dict[str, int]) -> None:
        self._connection = adbc_driver_sqlite.dbapi.connect(
            path.resolve().as_uri(), autocommit=True
        )
        for name, value in {"journal_mode": "OFF", "synchronous": "OFF", **pragmas}.items():
            self.execute(f"PRAGMA {name} = {value}")
        # All in one transaction: their number stands in the file.
        self._connection.adbc_connection.set_autocommit(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._connection.adbc_connection.commit()
        self._connection.close()

    def execute(self, statement: str) -> None:
        """Execute one statement; what it returns is dropped."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows into the columns of the same names; SQLite makes a NaN NULL."""
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="append")

    def insert_pairs(self, table: str, columns: tuple[str, str], pairs: dict[str, Any]) -> None:
        """Insert texts and what belongs to them, in the order of the texts."""
        texts = [[*column] for column in zip(*sorted(pairs.items()), strict=True)]
        self.insert(table, pa.table([pa.array(column, pa.string()) for column in texts], columns))
