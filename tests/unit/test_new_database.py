"""Databases in the making."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pyarrow as pa
import pytest

from nasbase.store.database import new_database

LONG = """
import os, signal, sys, threading
import pyarrow as pa
from pathlib import Path
from nasbase.store.database import new_database

# A shell that started the tests in the background had its children ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
with new_database(Path(sys.argv[1]), {}) as database:
    database.execute("CREATE TABLE t (n INTEGER)")
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            database.insert("t", pa.table({"n": range(100_000)}))
    except KeyboardInterrupt:
        print("interrupted")
        raise SystemExit(7)
"""


def test_what_was_written_stands_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new database.sqlite"
    with new_database(path, {"user_version": 5}) as database:
        database.execute("CREATE TABLE t (key TEXT, value TEXT)")
        database.insert_pairs("t", {"b": "2", "a": "1"})
    with closing(sqlite3.connect(path)) as stored:
        assert stored.execute("SELECT * FROM t").fetchall() == [("a", "1"), ("b", "2")]
        assert stored.execute("PRAGMA user_version").fetchone() == (5,)


def test_an_error_ends_it_unfinished(tmp_path):
    def fail(database):
        database.execute("CREATE TABLE t (n INTEGER)")
        database.insert("t", pa.table({"n": [1]}))
        raise ZeroDivisionError

    path = tmp_path / "new.sqlite"
    with pytest.raises(ZeroDivisionError), new_database(path, {}) as database:
        fail(database)
    with closing(sqlite3.connect(path)) as stored:
        assert stored.execute("SELECT * FROM sqlite_master").fetchall() == []


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_an_interruption_is_one(tmp_path):
    command = [sys.executable, "-c", LONG, str(tmp_path / "new.sqlite")]
    done = subprocess.run(command, check=False, text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (7, "interrupted\n"), done.stderr
