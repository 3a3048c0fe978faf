"""Point queries through SQLite, in builds of different sizes."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter_ns

from nasbase.query.database import CACHE_KB

QUERIES = 2000
ROUNDS = 3

_QUERY = "SELECT * FROM trials WHERE arch_id = ?"


def point_query_us(database: Path) -> float:
    """Median microseconds of asking for the trainings of a random architecture.

    The system's cache holds what is asked for: the first round brings it there. The connection
    keeps as many pages as one of nasbase's own does: with SQLite's 2 MB, most questions to a large
    table read a page through the system.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as base:
        base.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        ids = [arch_id for (arch_id,) in base.execute("SELECT arch_id FROM architectures")]
        chosen = random.Random(1).choices(ids, k=QUERIES)
        for _ in range(ROUNDS):
            spent = [_spent(base, arch_id) for arch_id in chosen]
    return round(median(spent) / 1000, 2)


def _spent(base: sqlite3.Connection, arch_id: int) -> int:
    start = perf_counter_ns()
    base.execute(_QUERY, (arch_id,)).fetchall()
    return perf_counter_ns() - start
