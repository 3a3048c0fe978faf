"""Arithmetic of the figures, against plain ways to compute the same."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.report.numbers import (
    GRID,
    QuantileCounter,
    ecdf,
    floor,
    front,
    grid,
    histogram,
    packed,
    short,
)

PERCENT = st.floats(0, 100).map(lambda x: round(x, 2))


@given(st.lists(st.tuples(st.integers(1, 9), PERCENT), min_size=1, max_size=40))
def test_front(points):
    cost, gain = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    found = front(cost, gain)
    kept = set(zip(cost[found], gain[found], strict=True))
    expected = {
        (c, g)
        for c, g in zip(cost, gain, strict=True)
        if not any(
            (oc <= c and og >= g) and (oc, og) != (c, g) for oc, og in zip(cost, gain, strict=True)
        )
    }
    assert kept == expected
    assert len(found) == len(kept)
    assert (np.diff(cost[found]) > 0).all()


@given(st.lists(PERCENT, min_size=1, max_size=500))
def test_ecdf_is_exact_where_it_is_drawn(numbers):
    values = np.array(numbers)
    x, p = ecdf(values, points=50)
    assert len(x) <= 50
    assert all(p[i] == (values <= x[i]).mean() for i in range(len(x)))
    assert x[-1] == values.max()
    assert p[-1] == 1


@given(st.lists(PERCENT, min_size=1, max_size=300))
def test_every_number_is_in_the_histogram(numbers):
    edges, counts = histogram(np.array(numbers))
    assert counts.sum() == len(numbers)
    assert len(counts) <= 100
    assert edges[0] <= min(numbers)
    assert edges[-1] >= max(numbers)


@pytest.mark.parametrize("log", [False, True])
def test_every_point_is_in_the_grid(log):
    rng = np.random.default_rng(1)
    x, y = rng.lognormal(size=5000) * 1e6, rng.uniform(10, 95, 5000)
    cells = grid(x, y, log=log)
    assert cells["count"].sum() == 5000
    assert len(cells["count"]) <= GRID[0] * GRID[1]
    for i in range(0, len(cells["count"]), 50):
        # numpy's last cell is closed above
        inside = (
            (x >= cells["x"][i])
            & (x < cells["x2"][i])
            & (y >= cells["y"][i])
            & (y < cells["y2"][i])
        )
        assert abs(inside.sum() - cells["count"][i]) <= 1


@pytest.mark.parametrize("value", [3.0, 1e6])
def test_a_grid_of_one_value(value):
    cells = grid(np.full(3, value), np.full(3, 50.0), log=True)
    assert cells["count"].tolist() == [3]
    assert cells["x"][0] <= value < cells["x2"][0]


def test_quantiles_of_a_stream():
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(80, 5, 30_000).clip(0, 100), 3)
    keys = rng.integers(0, 2, len(values))
    counter = QuantileCounter()
    for piece in np.array_split(np.arange(len(values)), 7):
        counter.add(["a", "b"], keys[piece], values[piece])
    found = counter.quantiles([0.05, 0.5, 0.95])
    for number, key in enumerate("ab"):
        exact = np.quantile(values[keys == number], [0.05, 0.5, 0.95], method="inverted_cdf")
        assert np.abs(np.array(found[key]) - exact).max() <= QuantileCounter.STEP / 2 + 1e-9


def test_a_picture_starts_where_most_networks_are():
    most = np.linspace(85, 95, 990)
    assert floor(np.concatenate([np.full(10, 10.0), most])) > 80
    assert floor(np.linspace(10, 95, 100)) == 10
    # Five percent at chance level are no tail: they are shown.
    assert floor(np.concatenate([np.full(50, 10.0), most])) == 10


def test_packed_columns_are_json():
    assert packed(["b", "a", "b"]) == {"words": ["a", "b"], "codes": [1, 0, 1]}
    assert packed(np.array([1.23456789, np.nan, np.inf, 2.0])) == [1.23457, None, None, 2]
    assert packed(np.array([1, 2], np.int16)) == [1, 2]
    json.dumps(packed(np.array([np.nan, 1e300])), allow_nan=False)
    assert short(423624.0) == 423624
