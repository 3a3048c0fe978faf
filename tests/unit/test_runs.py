"""Moving rows of sorted runs."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.errors import RawDataError
from nasbase.tables import runs
from nasbase.tables.runs import DistinctArchitectures, reordered
from nasbase.tables.shards import shard_architectures

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False))
UNIFORM = st.integers(0, 3).flatmap(
    lambda size: st.lists(st.lists(st.floats(allow_nan=False), min_size=size, max_size=size))
)
ANY = st.lists(st.one_of(st.none(), st.lists(NUMBERS, max_size=3)))


@given(st.one_of(UNIFORM, ANY), st.data())
def test_rows_move_as_arrow_moves_them(lists, data):
    cut = data.draw(st.integers(0, len(lists)))
    column = pa.array(lists, pa.list_(pa.float64()))
    rows = pa.table(
        {"list": pa.chunked_array([column[:cut], column[cut:]]), "n": range(len(lists))}
    )
    places = np.array(data.draw(st.permutations(range(len(lists)))), dtype=np.int64)
    moved = reordered(rows, places)
    assert moved.equals(rows.take(pa.array(places)))
    assert all(column.num_chunks == 1 for column in moved.columns)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1), st.data())
def test_lists_of_one_training_move_alike(lengths, data):
    """Some columns have the same lengths, others not; a part of a table begins anywhere."""
    own = [list(range(10 * i, 10 * i + one)) for i, (one, _) in enumerate(lengths)]
    other = [list(range(other)) for _, other in lengths]
    rows = pa.table(
        {
            "a": pa.array(own, pa.list_(pa.int16())),
            "b": pa.array([[x / 2 for x in row] for row in own], pa.list_(pa.float64())),
            "c": pa.array(other, pa.list_(pa.int64())),
        }
    ).slice(data.draw(st.integers(0, len(lengths) - 1)))
    places = np.array(data.draw(st.permutations(range(rows.num_rows))), dtype=np.int64)
    assert reordered(rows, places).equals(rows.take(pa.array(places)))


@pytest.mark.parametrize("kept", [[], [2], [1, 1, 0]])
def test_some_rows_or_none(kept):
    rows = pa.table({"list": [[1, 2], [3, 4], [5, 6]], "text": ["a", None, "c"]})
    moved = reordered(rows, np.array(kept, dtype=np.int64))
    assert moved.equals(rows.take(pa.array(kept, pa.int64())))


def architectures(ids, **other):
    rows = [{"arch_id": i, "arch_str": f"a{i}", **{f"c{k}": i for k in range(5)}} for i in ids]
    return pa.Table.from_pylist(
        [row | other for row in rows], schema=shard_architectures("nats_sss")
    )


@given(st.lists(st.lists(st.integers(0, 20), max_size=12), max_size=6))
def test_each_architecture_is_kept_once(pieces):
    distinct = DistinctArchitectures("nats_sss")
    for ids in pieces:
        distinct.add(architectures(ids))
        distinct.table()  # which merges what came so far
    assert distinct.table().equals(architectures(dict.fromkeys(i for ids in pieces for i in ids)))


CELLS = {"aa": ("0100", "input,output"), "bb": ("011001000", "input,maxpool3x3,output")}


def cells(hashes, **other):
    rows = [
        {"hash": key, "num_vertices": 2, "num_edges": 1, "adjacency": graph, "operations": labels}
        | other
        for key in hashes
        for graph, labels in [CELLS[key]]
    ]
    return pa.Table.from_pylist(rows, schema=shard_architectures("nb101"))


@pytest.mark.parametrize("most", [0, 1, 100])
def test_texts_in_dictionaries_are_compared_as_texts(monkeypatch, most):
    """The same text has another number in each piece."""
    monkeypatch.setattr(runs, "_DISTINCT_ROWS", most)
    distinct = DistinctArchitectures("nb101")
    for hashes in (["aa"], ["bb", "aa"], ["aa", "bb", "bb"]):
        distinct.add(cells(hashes))
    assert distinct.table().to_pylist() == cells(["aa", "bb"]).to_pylist()
    monkeypatch.setattr(runs, "_DISTINCT_ROWS", 100)
    distinct.add(cells(["bb"], adjacency="001001000"))
    with pytest.raises(RawDataError, match="hash 'bb'") as error:
        distinct.table()
    assert error.value.expected["adjacency"] == CELLS["bb"][0]
    assert error.value.found["adjacency"] == "001001000"


@pytest.mark.parametrize("merged", [False, True])
def test_two_descriptions_of_an_architecture_are_refused(monkeypatch, merged):
    monkeypatch.setattr(runs, "_COMPARED_ROWS", 2)
    distinct = DistinctArchitectures("nats_sss")
    distinct.add(architectures(range(7)))
    if merged:
        distinct.table()
    distinct.add(architectures([3, 4]))
    distinct.add(architectures([5], c2=9))
    with pytest.raises(RawDataError, match="arch_id 5") as error:
        distinct.table()
    assert (error.value.expected["c2"], error.value.found["c2"]) == (5, 9)
