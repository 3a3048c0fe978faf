"""The wire format of protocol buffers, as far as reading and writing small messages needs it.

A message is a sequence of fields; a field is a varint tag (number and wire type) and a value.
What the fields mean is the business of whoever knows the message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from nasbase.errors import RawDataError

VARINT, FIXED64, LENGTH_DELIMITED, START_GROUP, END_GROUP, FIXED32 = range(6)

_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_GROUP_DEPTH = 100


class Field(NamedTuple):
    """One field of a message: where it stands.

    Attributes
    ----------
    number, wire_type
        What the tag says.
    start
        Position of the tag.
    value
        Position of the value, behind the tag and, where there is one, the length.
    end
        Position behind the value (of a group: behind its end tag).
    """

    number: int
    wire_type: int
    start: int
    value: int
    end: int


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The unsigned varint at ``position`` and the position behind it.

    Raises
    ------
    RawDataError
        If the message ends inside it, or if it does not fit into 64 bits.
    """
    result = 0
    for index, byte in enumerate(data[position : min(end, position + _MAX_VARINT_BYTES)]):
        result |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if result >> 64:
                raise _error("A varint does not fit into 64 bits.", position, "< 2**64", result)
            return result, position + index + 1
    if end - position < _MAX_VARINT_BYTES:
        raise _error("A message ends inside a varint.", position, "a last byte < 0x80", "the end")
    raise _error("A varint has no end.", position, f"at most {_MAX_VARINT_BYTES} bytes", "more")


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Walk the fields of one message, in the order in which they stand.

    Parameters
    ----------
    data
        Bytes that hold the message.
    start, end
        Range of the message in ``data``. Default: all of it.

    Raises
    ------
    RawDataError
        If a field runs over the message's end, a tag is not one, or groups do not match.
    """
    end = len(data) if end is None else end
    position = start
    while position < end:
        field = _read_field(data, position, end, 0)
        if field.wire_type == END_GROUP:
            raise _error("A group ends that never began.", position, "a field", "an end of group")
        yield field
        position = field.end


def varint(value: int) -> bytes:
    """Encode a non-negative integer."""
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def varint_field(number: int, value: int) -> bytes:
    """Encode a field that holds a non-negative integer."""
    return varint(number << 3 | VARINT) + varint(value)


def double_field(number: int, value: float) -> bytes:
    """Encode a field that holds a double."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode a field that holds a string, bytes or another message."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(value)) + value


def _read_field(data: bytes, position: int, end: int, depth: int) -> Field:
    tag, value = read_varint(data, position, end)
    number, wire_type = tag >> 3, tag & 7
    if not 1 <= number < 1 << 29 or wire_type > FIXED32:
        raise _error(
            "A field has an impossible tag.",
            position,
            "a field number from 1 to 2**29 - 1 and a wire type from 0 to 5",
            f"field {number}, wire type {wire_type}",
        )
    if wire_type == VARINT:
        behind = read_varint(data, value, end)[1]
    elif wire_type == LENGTH_DELIMITED:
        length, value = read_varint(data, value, end)
        behind = value + length
    elif wire_type == START_GROUP:
        behind = _end_of_group(data, value, end, number, depth + 1)
    else:
        behind = value + _FIXED_BYTES.get(wire_type, 0)
    if behind > end:
        raise _error(
            "A field runs over the end of its message.",
            position,
            f"at most {end - value} bytes",
            f"{behind - value} bytes",
        )
    return Field(number, wire_type, position, value, behind)


def _end_of_group(data: bytes, position: int, end: int, number: int, depth: int) -> int:
    if depth > _MAX_GROUP_DEPTH:
        raise _error("Groups are nested too deeply.", position, f"{_MAX_GROUP_DEPTH} levels", depth)
    while position < end:
        field = _read_field(data, position, end, depth)
        position = field.end
        if field.wire_type == END_GROUP:
            if field.number != number:
                raise _error("A group ends as another one.", field.start, number, field.number)
            return position
    raise _error("A message ends inside a group.", position, f"the end of group {number}", "none")


def _error(what: str, position: int, expected: object, found: object) -> RawDataError:
    return RawDataError(
        what, where=f"byte {position} of the message", expected=expected, found=found
    )
