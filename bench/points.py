"""Point queries through SQLite, in builds of different sizes."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from time import perf_counter_ns

from nasbase.query.database import CACHE_KB

QUERIES = 2000
ROUNDS = 30

_QUERY = "SELECT * FROM trials WHERE arch_id = ?"


def point_queries_us(databases: Sequence[Path]) -> list[float]:
    """Microseconds of asking each database for the trainings of a random architecture.

    The databases are asked in turn, so that all meet the same machine; of each the fastest round
    counts, by its median. The system's cache holds what is asked for: the first round brings it
    there. A connection keeps as many pages as one of nasbase's own does: with SQLite's 2 MB, most
    questions to a large table read a page through the system.
    """
    with ExitStack() as stack:
        asked = [_opened(stack, database) for database in databases]
        rounds = [[_median_us(base, ids) for base, ids in asked] for _ in range(ROUNDS)]
    return [round(min(times), 2) for times in zip(*rounds, strict=True)]


def _opened(stack: ExitStack, database: Path) -> tuple[sqlite3.Connection, list[int]]:
    """A connection, and the architectures to ask for."""
    address = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
    base = stack.enter_context(closing(sqlite3.connect(address, uri=True)))
    base.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    ids = [arch_id for (arch_id,) in base.execute("SELECT arch_id FROM architectures")]
    return base, random.Random(1).choices(ids, k=QUERIES)


def _median_us(base: sqlite3.Connection, ids: Sequence[int]) -> float:
    return median(_spent(base, arch_id) for arch_id in ids) / 1000


def _spent(base: sqlite3.Connection, arch_id: int) -> int:
    start = perf_counter_ns()
    base.execute(_QUERY, (arch_id,)).fetchall()
    return perf_counter_ns() - start
