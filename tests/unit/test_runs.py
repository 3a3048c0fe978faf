"""Moving rows of sorted runs."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.tables.runs import reordered

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


@pytest.mark.parametrize("kept", [[], [2], [1, 1, 0]])
def test_some_rows_or_none(kept):
    rows = pa.table({"list": [[1, 2], [3, 4], [5, 6]], "text": ["a", None, "c"]})
    moved = reordered(rows, np.array(kept, dtype=np.int64))
    assert moved.equals(rows.take(pa.array(kept, pa.int64())))
