"""Compact texts are those of the standard library, whichever encoder makes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.containers import json_text
from nasbase.containers.json_text import compact_encoder

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def without(*_arguments):
    raise TypeError("made of something else")


@pytest.fixture(params=["fast", "gone", "changed"])
def _encoders(request, monkeypatch):
    if request.param != "fast":
        monkeypatch.setattr(json_text, "_make", without if request.param == "changed" else None)


@pytest.mark.usefixtures("_encoders")
def test_texts_are_those_of_the_standard_library():
    @given(VALUES)
    def check(value):
        assert encode(value) == json.dumps(value, sort_keys=True, separators=(",", ":"))

    encode = compact_encoder()
    check()


@pytest.mark.usefixtures("_encoders")
def test_what_is_no_json_is_refused_and_the_next_value_is_not():
    encode = compact_encoder(allow_nan=False)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    circular: list = []
    circular.append(circular)
    for value, error in (
        ([float("nan")], ValueError),
        ({"a": {1, 2}}, TypeError),
        ({"a": 1, 2: 1}, TypeError),
        (deep, RecursionError),
        (circular, RecursionError),
    ):
        with pytest.raises(error):
            encode(value)
        assert encode({"b": [1.5], "a": None}) == '{"a":null,"b":[1.5]}'
