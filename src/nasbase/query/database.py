"""Read-only connections to one SQLite file: one per thread and per process.

Nothing is ever written, no lock is taken and no journal is looked for (``immutable``), so a build
may lie in a folder without write permission or on a network file system.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nasbase.errors import ArtifactError, NasbaseError, QueryError

CACHE_KB = 16_000
"""Pages that a connection keeps in memory."""

_UNHELD = (OverflowError, UnicodeEncodeError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
_FAILURES = (*_UNHELD, sqlite3.DatabaseError, UnicodeDecodeError)

_inherited: list[Any] = []
"""Connections of a parent process: SQLite must not even close them on this side of a fork."""


class Database:
    """The SQLite file of one build.

    Parameters
    ----------
    path
        The file.
    identity
        What its table ``build`` must say (``version``, ``benchmark``, ``synthetic``): a new
        connection in a thread must not silently read a build that has been installed meanwhile.
    schema
        Its ``user_version``.
    """

    def __init__(self, path: Path, identity: dict[str, str], schema: int) -> None:
        self.path = path
        self._identity = identity
        self._schema = schema
        self._local = threading.local()
        self._pid = os.getpid()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple]:
        """All rows of a query."""
        try:
            return self.connection().execute(sql, parameters).fetchall()
        except _FAILURES as error:
            raise self._failed(error, parameters) from error

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple | None:
        """The first row of a query, or None."""
        try:
            return self.connection().execute(sql, parameters).fetchone()
        except _FAILURES as error:
            raise self._failed(error, parameters) from error

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple]:
        """The rows of a query, one after the other; for questions that end at once."""
        try:
            yield from self.connection().execute(sql, parameters)
        except _FAILURES as error:
            raise self._failed(error, parameters) from error

    def _failed(self, error: Exception, parameters: Sequence[Any]) -> NasbaseError:
        """What a failure of SQLite means: a value that it cannot hold, or a damaged file."""
        if isinstance(error, _UNHELD):
            return QueryError(
                "The question holds a value that stands in no column.",
                where=self.path,
                expected="numbers of 64 bits and text",
                found=f"{', '.join(map(repr, parameters))[:200]} ({error})",
            )
        return self.damaged(error)

    def damaged(self, error: Exception) -> ArtifactError:
        """The error for a file that does not hold what was written to it."""
        return ArtifactError(
            "The SQLite database of a build is damaged.",
            where=self.path,
            expected="a database written by nasbase",
            found=str(error),
            todo="`nasbase verify` compares every file with the manifest. Build it again: "
            "`snakemake --cores 8`.",
        )

    def connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        if os.getpid() != self._pid:  # a fork: its connections belong to the parent
            _inherited.append(self._local)
            self._local, self._pid = threading.local(), os.getpid()
        try:
            return self._local.connection
        except AttributeError:
            self._local.connection = connection = self._connect()
            return connection

    def close(self) -> None:
        """Close this thread's connection; the next question opens it again."""
        if os.getpid() == self._pid and hasattr(self._local, "connection"):
            self._local.connection.close()
            del self._local.connection

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.as_uri()}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=256)
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            found = dict(connection.execute("SELECT key, value FROM build"))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise ArtifactError(
                "The SQLite database of a build cannot be read.",
                where=self.path,
                expected="a database written by nasbase",
                found=str(error),
                todo="Build it again: `snakemake --cores 8`.",
            ) from error
        wanted = {**self._identity, "schema": str(self._schema)}
        found = {key: found.get(key) for key in wanted}
        if found != wanted or schema != self._schema:
            connection.close()
            raise ArtifactError(
                "The SQLite database is not the one that the manifest beside it describes.",
                where=self.path,
                expected=wanted,
                found={**found, "user_version": schema},
                todo="If a new build was installed meanwhile, open the benchmark again; else build "
                "it again.",
            )
        connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return connection
