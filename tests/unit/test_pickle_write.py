"""A pickle written in pieces is the pickle written at once."""

from __future__ import annotations

import collections
import pickle
import pickletools
import random

import numpy as np
import pytest

from nasbase.containers import pickles
from nasbase.containers.pickle_write import PiecewisePickler

HEAD = {"meta_archs": [f"arch {i}" for i in range(300)], "total_archs": 300}


def entry(index):
    rng = random.Random(index)

    def table():
        return {"".join(["x-valid@", str(i)]): rng.random() for i in range(rng.randint(1, 60))}

    scalar = np.float64(rng.random())
    return {
        "name": "cifar10",
        "acc": table(),
        "times": collections.OrderedDict(enumerate(table().values())),
        "params": scalar,
        "latency": [scalar, np.float64(2.0)],
        "text": "".join(["own ", str(index)]),
    }


def in_pieces(count, tail, shared):
    pickler = PiecewisePickler(HEAD, "arch2infos", (7, entry(7)), shared=shared)
    pieces = (pickler.piece(index, entry(index)) for index in range(1000, 999 + count))
    return b"".join(pickler.chunks(pieces, count, tail))


def at_once(count, tail):
    entries = {7: entry(7)} | {index: entry(index) for index in range(1000, 999 + count)}
    return pickles.dumps({**HEAD, "arch2infos": entries, **tail}, 2)


@pytest.mark.parametrize("count", [1, 2, 40, 999, 1000, 1001, 2000])
@pytest.mark.parametrize("shared", [lambda _text: True, lambda text: "@" not in text])
def test_pieces_make_the_same_bytes(count, shared):
    tail = {"evaluated_indexes": [7, *range(1000, 999 + count)], "more": "text"}
    assert in_pieces(count, tail, shared) == at_once(count, tail)


def test_numbers_are_counted_up_across_carries():
    """Some 70,000 objects: numbers of the third byte change, and all four bytes are rewritten."""
    data = in_pieces(1900, {}, lambda _text: True)
    assert data == at_once(1900, {})
    puts = [arg for op, arg, _ in pickletools.genops(data) if op.name == "LONG_BINPUT"]
    assert puts == list(range(256, 256 + len(puts)))
    assert len(puts) > 1 << 16


def test_pieces_do_not_depend_on_what_was_pickled_before():
    one = PiecewisePickler(HEAD, "k", (0, entry(0)))
    other = PiecewisePickler(HEAD, "k", (0, entry(0)))
    for index in range(5):
        one.piece(index, entry(index))
    a, b = one.piece(9, entry(9)), other.piece(9, entry(9))
    assert (a.data, a.count, a.numbers.tolist()) == (b.data, b.count, b.numbers.tolist())


def test_a_wrong_number_of_entries_is_an_error():
    pickler = PiecewisePickler(HEAD, "k", (0, entry(0)))
    with pytest.raises(ValueError, match="1 entries instead of 2"):
        list(pickler.chunks([], 2, {}))
    with pytest.raises(ValueError, match="at least 256"):
        PiecewisePickler({}, "k", (0, entry(0)))


def test_the_result_is_an_ordinary_pickle():
    loaded = pickles.load(in_pieces(3, {"x": 1}, lambda _text: True), where="t")
    assert loaded["x"] == 1
    assert list(loaded["arch2infos"]) == [7, 1000, 1001]
    assert loaded["arch2infos"][1001] == entry(1001)
    assert pickle.loads(pickle.dumps(loaded["meta_archs"])) == HEAD["meta_archs"]
