"""The check of SQLite's blobs: it agrees with what was written, and notices every changed bit."""

from __future__ import annotations

import sqlite3

import numpy as np
import pyarrow as pa
import pytest
from blobs_by_hand import blobs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.checks.blobs import _compare, _padded
from nasbase.checks.check import Outcome
from nasbase.store.curves import Block
from nasbase.store.series_blob import PARTIAL

NAMES = ["one", "two", "three"]


def some_block(rng, trials, length):
    values = rng.normal(size=(trials, len(NAMES), length))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 1] = np.where(rng.random((trials, 1)) < 0.5, values[:, 1, :1], values[:, 1])
    present = rng.random((trials, len(NAMES), length)) < rng.choice([0.0, 0.5, 1.0], (trials, 3, 1))
    rows = pa.table({"trial_id": pa.array(np.arange(7, 7 + trials))})
    return Block(rows, values, present)


def outcome_of(block, blobs, lengths=None):
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE curves (trial_id INTEGER PRIMARY KEY, length, data)")
        lengths = lengths or [block.length] * len(blobs)
        rows = zip(block.rows["trial_id"].to_pylist(), lengths, blobs, strict=False)
        database.executemany("INSERT INTO curves VALUES (?, ?, ?)", rows)
        outcome = Outcome()
        _compare(database, "curves", block, NAMES, outcome)
    return outcome


def padding(blob, length):
    """Bits of a blob that say nothing: behind the modes and behind the masks."""
    unused = set(range(8 * len(NAMES), 8 * _padded(len(NAMES))))
    at = _padded(len(NAMES))
    for mode in blob[: len(NAMES)]:
        if mode == PARTIAL:
            mask = -(-length // 8)
            unused |= set(range(8 * at + length, 8 * (at + _padded(mask))))
            count = int.from_bytes(blob[at : at + mask], "little").bit_count()
            at += _padded(mask) + 8 * count
        else:
            at += {0: 0, 1: 8 * length, 2: 8}[mode]
    return unused


@given(seed=st.integers(0, 2**32), trials=st.integers(1, 6), length=st.integers(1, 20))
def test_what_was_written_is_found(seed, trials, length):
    block = some_block(np.random.default_rng(seed), trials, length)
    outcome = outcome_of(block, blobs_of(block.values, block.present))
    assert (outcome.checked, outcome.failed) == (3 * trials, 0)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 12), data=st.data())
def test_any_changed_bit_is_noticed(seed, length, data):
    block = some_block(np.random.default_rng(seed), 3, length)
    blobs = blobs_of(block.values, block.present)
    chosen = data.draw(st.integers(0, 2))
    used = sorted(set(range(8 * len(blobs[chosen]))) - padding(blobs[chosen], length))
    bit = data.draw(st.sampled_from(used))
    changed = bytearray(blobs[chosen])
    changed[bit // 8] ^= 1 << bit % 8
    blobs[chosen] = bytes(changed)
    outcome = outcome_of(block, blobs)
    assert outcome.failed
    assert all(f"curves {7 + chosen}:" in example for example in outcome.examples)


@pytest.mark.parametrize("blobs", [[b""], [], [b"\1\1\1"], [b"\1" * 80]])
def test_a_blob_that_is_none_is_noticed(blobs):
    block = some_block(np.random.default_rng(0), 1, 5)
    assert outcome_of(block, blobs).failed


def test_another_length_is_noticed():
    block = some_block(np.random.default_rng(0), 1, 5)
    blobs = blobs_of(block.values, block.present)
    assert outcome_of(block, blobs, lengths=[4]).failed
