"""The wire format: fields of every type, and bytes that are no message."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.containers.protobuf import (
    FIXED32,
    FIXED64,
    LENGTH_DELIMITED,
    START_GROUP,
    VARINT,
    bytes_field,
    double_field,
    fields,
    read_varint,
    varint,
    varint_field,
)
from nasbase.errors import RawDataError

numbers = st.integers(1, 2**29 - 1)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


@st.composite
def messages(draw, depth: int = 2):
    """A message, and number, wire type and bytes of the value of each of its fields."""
    message, expected = b"", []
    for _ in range(draw(st.integers(0, 5))):
        number = draw(numbers)
        wire_type = draw(
            st.sampled_from(
                [VARINT, FIXED64, LENGTH_DELIMITED, FIXED32] + [START_GROUP] * (depth > 0)
            )
        )
        head = tag(number, wire_type)
        if wire_type == VARINT:
            value = varint(draw(st.integers(0, 2**64 - 1)))
        elif wire_type == LENGTH_DELIMITED:
            value = draw(st.binary(max_size=200))
            head += varint(len(value))
        elif wire_type == START_GROUP:
            value = draw(messages(depth - 1))[0] + tag(number, 4)
        else:
            size = 8 if wire_type == FIXED64 else 4
            value = draw(st.binary(min_size=size, max_size=size))
        message += head + value
        expected.append((number, wire_type, value))
    return message, expected


@given(messages())
def test_fields_of_every_type_are_walked(made):
    message, expected = made
    walked = list(fields(message))
    assert [(f.number, f.wire_type, message[f.value : f.end]) for f in walked] == expected
    assert "".join(message[f.start : f.end].hex() for f in walked) == message.hex()


@given(st.binary(max_size=60))
def test_any_bytes_are_walked_to_the_end_or_refused(junk):
    """Whatever the bytes are: no other exception, no step over the end, no gap."""
    position = 0
    with contextlib.suppress(RawDataError):
        for field in fields(junk):
            assert field.start == position
            assert field.start < field.value <= field.end <= len(junk)
            position = field.end
        assert position == len(junk)


@given(messages(), st.data())
def test_a_cut_message_never_gives_more_fields(made, data):
    message, expected = made
    cut = data.draw(st.integers(0, len(message)))
    try:
        walked = list(fields(message[:cut]))
    except RawDataError:
        return
    assert [(f.number, f.wire_type) for f in walked] == [e[:2] for e in expected[: len(walked)]]
    assert (walked[-1].end if walked else 0) == cut


@given(st.integers(0, 2**64 - 1))
def test_varints(value):
    data = varint(value)
    assert read_varint(b"\xff" + data, 1, 1 + len(data)) == (value, 1 + len(data))
    for cut in range(len(data)):
        with pytest.raises(RawDataError, match="inside a varint"):
            read_varint(data, 0, cut)


def test_encoded_fields():
    assert varint_field(2, 8555530) == bytes.fromhex("108a988a04")
    assert double_field(3, 413.7015450000763) == b"\x19" + struct.pack("<d", 413.7015450000763)
    assert bytes_field(1, b"ab") == b"\x0a\x02ab"


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"\x00", "impossible tag"),  # field 0
        (b"\x0e\x00", "impossible tag"),  # wire type 6
        (varint(2**32 << 3), "impossible tag"),
        (b"\x09\x00\x00", "runs over"),  # a double of two bytes
        (b"\x0a\x05abc", "runs over"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "runs over"),  # a string of 2**64 - 1 bytes
        (b"\x08" + b"\xff" * 10 + b"\x01", "no end"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "64 bits"),
        (b"\x08\x80", "inside a varint"),
        (b"\x0c", "never began"),
        (b"\x0b\x08\x01", "inside a group"),
        (b"\x0b\x14", "as another one"),
        (b"\x0b" * 200 + b"\x0c" * 200, "too deeply"),
    ],
)
def test_what_is_no_message(message, what):
    with pytest.raises(RawDataError, match=what) as caught:
        list(fields(message))
    assert "byte" in str(caught.value.where)
    assert None not in (caught.value.expected, caught.value.found)


def test_a_range_is_walked_alone():
    message = varint_field(1, 5) + double_field(2, 1.0)
    (field,) = fields(message, 2)
    assert (field.number, field.start) == (2, 2)
    (field,) = fields(message, 0, 2)
    assert field.number == 1
