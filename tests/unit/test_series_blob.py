import math
import struct

import numpy as np
import pytest
from blobs_by_hand import blobs_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nasbase.store.series_blob import decode, offsets, value_at


def bits(value):
    return struct.pack("<d", value)


@st.composite
def trials(draw):
    shape = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 14)),
        draw(st.sampled_from([1, 2, 3, 12, 64, 65, 200])),
    )
    floats = st.floats(allow_nan=True, width=64) | st.just(-0.0) | st.just(1.5)
    values = draw(hnp.arrays(np.float64, shape, elements=floats))
    present = draw(hnp.arrays(bool, shape))
    whole = draw(hnp.arrays(bool, shape[:2]))
    present |= whole[:, :, None]
    constant = draw(hnp.arrays(bool, shape[:2]))
    values[constant] = values[constant][:, :1]
    return values, present


@given(trials())
def test_every_bit_and_every_gap_comes_back(trial):
    values, present = trial
    blobs = blobs_of(values, present)
    assert len(blobs) == len(values)
    for blob, rows, here in zip(blobs, values, present, strict=True):
        found = decode(blob, rows.shape[0], rows.shape[1])
        for points, expected, mask in zip(found, rows, here, strict=True):
            if points is None:
                assert not mask.any()
                continue
            assert [p is not None for p in points] == mask.tolist()
            assert [bits(p) for p in points if p is not None] == [bits(e) for e in expected[mask]]


def test_a_constant_series_takes_one_value():
    values = np.full((1, 1, 200), 13.18)
    (blob,) = blobs_of(values, np.ones_like(values, dtype=bool))
    assert len(blob) == 8 + 8


def test_zeros_of_both_signs_are_no_constant():
    values = np.array([[[0.0, -0.0]]])
    (blob,) = blobs_of(values, np.ones_like(values, dtype=bool))
    (points,) = decode(blob, 1, 2)
    assert [math.copysign(1, p) for p in points] == [1, -1]


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"\7" + b[1:]])
def test_a_damaged_blob_is_refused(change):
    values = np.arange(6.0).reshape(1, 2, 3)
    (blob,) = blobs_of(values, np.ones_like(values, dtype=bool))
    with pytest.raises(ValueError, match="blob of series"):
        decode(change(blob), 2, 3)


@given(trials(), st.data())
def test_single_points(trial, data):
    """A point read by itself is the point of the whole series."""
    values, present = trial
    num_series, length = values.shape[1:]
    for blob in blobs_of(values, present):
        starts, series = offsets(blob, num_series, length), decode(blob, num_series, length)
        for position, points in enumerate(series):
            point = data.draw(st.integers(0, length - 1))
            found = value_at(blob, blob[position], starts[position], length, point)
            expected = None if points is None else points[point]
            assert (found is None) == (expected is None)
            assert found is None or bits(found) == bits(expected)
