"""The check that SQLite's blobs hold the points of the Parquet tables, bit for bit.

The layout is that of `nasbase.store.series_blob`, read here by code of its own: blobs of the same
layout are stacked, and each series is a slice of the stack.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from nasbase.checks.check import Artifacts, Outcome
from nasbase.store.curves import Block, long_blocks, long_series
from nasbase.store.series_blob import ABSENT, CONSTANT, DENSE, PARTIAL
from nasbase.tables.models import blob_tables

BLOBS = 2000
"""Blobs that are compared at once: some 30 MB."""


def compare_blobs(artifacts: Artifacts, outcome: Outcome, database: sqlite3.Connection) -> None:
    """Compare every blob of a build with the long tables."""
    for name, stored in blob_tables(artifacts.benchmark).items():
        names = long_series(artifacts.benchmark, name)
        seen = 0
        for block in long_blocks(artifacts.benchmark, name, artifacts.path(name)):
            seen += block.rows.num_rows
            for start in range(0, block.rows.num_rows, BLOBS):
                _compare(database, stored, _part(block, start), names, outcome)
        (count,) = database.execute(f'SELECT count(*) FROM "{stored}"').fetchone()  # noqa: S608
        outcome.count(1, [] if count == seen else [f"{stored}: {seen} trials, {count} blobs"])


def _part(block: Block, start: int) -> Block:
    rows = slice(start, start + BLOBS)
    return Block(block.rows.slice(start, BLOBS), block.values[rows], block.present[rows])


def _compare(
    database: sqlite3.Connection, stored: str, block: Block, names: list[str], outcome: Outcome
) -> None:
    trials = block.rows["trial_id"].to_pylist()
    query = (
        f'SELECT trial_id, length, data FROM "{stored}" '  # noqa: S608
        "WHERE trial_id BETWEEN ? AND ? ORDER BY trial_id"
    )
    rows = database.execute(query, (trials[0], trials[-1]))
    found = {trial: (length, data) for trial, length, data in rows}
    layouts: dict[bytes, list[int]] = {}
    for number, trial in enumerate(trials):
        length, data = found.get(trial, (None, b""))
        layout = _layout(data, len(names), block.length) if length == block.length else None
        if layout is None:
            outcome.count(1, [f"{stored} {trial}: no blob of {block.length} points: {length}"])
            continue
        layouts.setdefault(layout, []).append(number)
    for numbers in layouts.values():
        data = b"".join(found[trials[number]][1] for number in numbers)
        stack = np.frombuffer(data, np.uint8).reshape(len(numbers), -1)
        bad = list(_different(stack, block, np.array(numbers), len(names)))
        examples = [f"{stored} {trials[number]}: {names[i]}" for number, i in bad]
        outcome.count(len(numbers) * len(names), examples[:5], failed=len(bad))


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _layout(data: bytes, num_series: int, length: int) -> bytes | None:
    """The modes and masks of a blob, which say where everything else stands; None: it is none."""
    modes = data[:num_series]
    at, masks, mask = _padded(num_series), [], -(-length // 8)
    for mode in modes:
        if mode == PARTIAL:
            masks.append(data[at : at + mask])
            at += _padded(mask) + 8 * int.from_bytes(masks[-1], "little").bit_count()
        elif mode in (ABSENT, CONSTANT, DENSE):
            at += {ABSENT: 0, CONSTANT: 8, DENSE: 8 * length}[mode]
        else:
            return None
    whole = len(modes) == num_series and len(data) == at
    return b"".join([modes, *masks]) if whole else None


def _different(
    stack: np.ndarray, block: Block, numbers: np.ndarray, num_series: int
) -> Iterator[tuple[int, int]]:
    """Trials (by number in the block) and series of equally laid out blobs that differ."""
    length, at = block.length, _padded(num_series)
    for i in range(num_series):
        bits = block.values[numbers, i].view(np.int64)
        here = np.ones(length, dtype=bool)
        mode = stack[0, i]
        if mode == ABSENT:
            here[:] = False
        elif mode == PARTIAL:
            mask = stack[0, at : at + -(-length // 8)]
            here = np.unpackbits(mask, bitorder="little")[:length].astype(bool)
            at += _padded(len(mask))
        count = 1 if mode == CONSTANT else int(here.sum())
        stored = np.ascontiguousarray(stack[:, at : at + 8 * count]).view("<i8")
        at += 8 * count
        differs = (block.present[numbers, i] != here).any(axis=1)
        if count:
            differs |= (stored != bits[:, here]).any(axis=1)
        for number in numbers[differs].tolist():
            yield number, i
