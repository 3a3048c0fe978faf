"""Streaming of JSON lists: the same values as json.load, and refusal of everything broken."""

from __future__ import annotations

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.containers.json_stream import stream_elements
from nasbase.errors import RawDataError

numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Dribble(io.BytesIO):
    """A stream that gives fewer bytes than asked for, as decompressors do."""

    def __init__(self, data, at_most):
        super().__init__(data)
        self.at_most = at_most
        self.largest_request = 0

    def read(self, size=-1):
        self.largest_request = max(self.largest_request, size)
        return super().read(min(size, self.at_most))


def elements(text, groups=(), chunk=1 << 20, at_most=1 << 20, **options):
    data = text if isinstance(text, bytes) else text.encode()
    stream = Dribble(data, at_most)
    return list(stream_elements(stream, where="x.json", groups=groups, chunk=chunk, **options))


def refused(text, **options):
    with pytest.raises(RawDataError) as caught:
        elements(text, **options)
    error = caught.value
    assert "x.json, byte" in error.where
    assert error.expected
    assert error.found
    assert error.todo
    return error


@given(st.lists(values, max_size=8), st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
def test_list_equals_json(items, chunk, ascii_only, indent):
    text = json.dumps(items, ensure_ascii=ascii_only, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate cannot be written as UTF-8
        text = json.dumps(items, indent=indent)
    found = elements(text, chunk=chunk, at_most=chunk)
    assert found == [(None, i, item) for i, item in enumerate(json.loads(text))]


@given(st.permutations(["top", "mid"]), st.lists(values, max_size=3), st.integers(1, 40))
def test_groups_in_any_order(order, items, chunk):
    text = json.dumps(dict.fromkeys(order, items))
    found = elements(text, groups=("top", "mid"), chunk=chunk)
    expected = [(key, i, item) for key in order for i, item in enumerate(items)]
    assert found == expected


@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_nan_and_infinity_literals(chunk):
    found = [item for _, _, item in elements("[NaN, -Infinity, [Infinity], 1.5]", chunk=chunk)]
    assert math.isnan(found[0])
    assert found[1:] == [-math.inf, [math.inf], 1.5]


@given(st.lists(st.integers(0, 10**30), min_size=1), st.integers(1, 6))
def test_numbers_are_never_cut_at_a_chunk(items, chunk):
    found = elements(json.dumps(items), chunk=chunk, at_most=chunk)
    assert [item for _, _, item in found] == items


@given(st.lists(values, min_size=1, max_size=4), st.data(), st.integers(1, 50))
def test_every_truncation_is_refused(items, data, chunk):
    text = json.dumps(items)
    refused(text[: data.draw(st.integers(0, len(text) - 1))], chunk=chunk)


def test_truncation_says_where():
    error = refused('[{"a": 1}, {"b": [1, 2')
    assert error.where == "x.json, byte 22, element 1"
    assert error.found == "the end of the file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "broken"),
        ("   ", "broken"),
        ("3", "broken"),
        ("[1,]", "broken"),
        ("[1 2]", "broken"),
        ("[1] x", "follows the end"),
        ("[1][2]", "follows the end"),
        ("[nan]", "broken"),
        ("{'top': []}", "broken"),
        ('{"top": [1]}', "lacks"),
        ('{"top": [1], "top": [2]}', "unexpected key 'top'"),
        ('{"top": [1], "other": [2]}', "unexpected key 'other'"),
        ('{"top": 1, "mid": []}', "broken"),
        ('{[]: 1, "mid": []}', "unexpected key"),
        ('[{"a": 1, "a": 2}]', "key 'a' twice"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "9" * 10_000 + "]", "refused"),
        (b'["\xff"]', "not UTF-8"),
        (b'["\xc3', "not UTF-8"),
    ],
)
@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_broken_text_is_refused(text, message, chunk):
    error = refused(text, groups=("top", "mid"), chunk=chunk)
    assert message in str(error)


def test_an_object_is_refused_where_a_list_is_expected():
    assert "'['" in refused('{"top": []}').expected


def test_offsets_count_bytes_not_characters():
    good = '["ÄÖ", "ÜÜ", '
    error = refused(good + "?]", chunk=4)
    assert error.where == f"x.json, byte {len(good.encode())}, element 2"


def test_garbage_is_refused_before_the_rest_is_read():
    stream = Dribble(b'[{"a": 1}, {"a" 1}, ' + b"1, " * 1_000_000, 1 << 20)
    with pytest.raises(RawDataError, match="broken"):
        list(stream_elements(stream, where="x.json", chunk=1000))
    assert stream.tell() <= 3000


def test_an_element_without_end_is_bounded():
    stream = Dribble(b'["' + b"a" * 1_000_000, 1 << 20)
    with pytest.raises(RawDataError, match="too large"):
        list(stream_elements(stream, where="x.json", chunk=1000, max_element=50_000))
    assert stream.tell() < 250_000
    assert stream.largest_request < 150_000


def test_the_stream_is_read_to_its_end():
    stream = Dribble(b"[1]" + b" " * 5000, 100)
    list(stream_elements(stream, where="x.json", chunk=10))
    assert stream.read(1) == b""
    assert stream.tell() == 5003


def test_what_follows_a_long_element_is_not_too_large():
    # The first element is complete when it is looked at, although it is longer than one may be that
    # has to be waited for.
    values = ["a" * 150, *["b" * 20] * 20]
    stream = Dribble(json.dumps(values).encode(), 1 << 20)
    found = stream_elements(stream, where="x.json", chunk=160, max_element=100)
    assert [value for _, _, value in found] == values
