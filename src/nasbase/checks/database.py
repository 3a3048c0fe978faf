"""What the checks of SQLite and of NNI's database share: files of SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from nasbase.checks.check import Outcome


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database for reading alone."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def check_integrity(path: Path, outcome: Outcome) -> None:
    """Run SQLite's own integrity check."""
    with closing(open_database(path)) as database:
        lines = [line for (line,) in database.execute("PRAGMA integrity_check")]
    outcome.count(1, [line for line in lines if line != "ok"])
