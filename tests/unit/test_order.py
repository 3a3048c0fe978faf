"""Rows are put into the same order as Arrow puts them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.tables.arrow import one_text, texts_of, validity, values_at
from nasbase.tables.order import first_alike, order_of

INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
TEXTS = st.text(alphabet="ab\0ä", max_size=10) | st.text(alphabet="01", min_size=12, max_size=12)
FLOATS = st.floats(allow_nan=False) | st.sampled_from([0.1, -0.0, 0.0, float("nan"), float("inf")])


def rows_of(rows) -> pa.Table:
    columns = [[row[i] for row in rows] for i in range(4)]
    types = (pa.string(), pa.int64(), pa.float64(), pa.int16())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=list("abcd"))


@given(
    st.lists(st.tuples(TEXTS, INTEGERS, FLOATS, st.integers(-5, 5)), max_size=40),
    st.permutations("abcd"),
    st.integers(0, 4),
)
def test_the_order_is_arrows(rows, names, count):
    table = rows_of(rows)
    numbered = table.append_column("place", pa.array(np.arange(len(rows))))
    chosen = names[:count]
    expected = pc.sort_indices(numbered, sort_keys=[(n, "ascending") for n in (*chosen, "place")])
    assert order_of(table, chosen).tolist() == expected.to_pylist()


def test_integers_that_no_float_holds():
    rows = [("", 1, 0.0, 0), ("", -(2**63) + 1, 0.0, 0), ("a", 0, 0.0, 0), ("", 0, 0.0, 0)]
    assert order_of(rows_of(rows), ["a", "b"]).tolist() == [1, 3, 0, 2]


def test_texts_that_begin_alike():
    texts = ["cifar10-valid", "cifar10", "cifar100", "cifar10-validated", "", "cifar10-valid"]
    table = pa.table({"text": texts})
    assert [texts[i] for i in order_of(table, ["text"])] == sorted(texts)
    part = table.slice(1, 3)
    assert [texts[1 + i] for i in order_of(part, ["text"])] == sorted(texts[1:4])


def test_many_hashes():
    rng = np.random.default_rng(1)
    hashes = [rng.bytes(16).hex() for _ in range(3000)] * 2
    order = order_of(pa.table({"hash": hashes}), ["hash"])
    assert [hashes[i] for i in order] == sorted(hashes)
    assert (order[::2] < order[1::2]).all()  # equal ones stay as they stand


def test_null_has_no_place():
    with pytest.raises(ValueError, match="NULL"):
        order_of(pa.table({"a": pa.array([1, None])}), ["a"])


@given(st.lists(st.none() | st.text(max_size=3)), st.integers(0, 5))
def test_what_lies_in_an_array(texts, start):
    array = pa.array(texts, pa.string()).slice(start)
    assert validity(array).tolist() == [text is not None for text in texts[start:]]
    known = array.drop_null()
    lengths, joint = texts_of(known)
    assert lengths.tolist() == [len(text.encode()) for text in known.to_pylist()]
    assert bytes(joint) == "".join(known.to_pylist()).encode()
    assert validity(pa.nulls(len(texts))).tolist() == [False] * len(texts)
    places = np.arange(len(array) * 2) // 2
    assert values_at(array, places).to_pylist() == [
        text for text in array.to_pylist() for _ in "12"
    ]


@pytest.mark.parametrize(
    ("texts", "one"), [(["a", "a"], True), (["a", "b"], False), ([], False), (["a", None], False)]
)
def test_one_text(texts, one):
    column = pa.array(texts, pa.string())
    assert one_text(column) is one
    assert values_at(column, np.array([], np.int64)).equals(pa.array([], pa.string()))


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=20))
def test_what_is_alike(texts):
    known = [text for text in texts if text is not None]
    expected = [known.index(text) for text in known]
    for column in (pa.array(known, pa.string()), pa.array(known, pa.string()).dictionary_encode()):
        assert first_alike(column).tolist() == expected
