"""Pickles that are alike: the same bytes but for their floats and a few names.

The members of an archive come by the thousand, each with the same dictionaries in the same order.
One of them is taken apart; the next ones are compared with it, and their floats gathered by numpy,
without making an object of each.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence

import numpy as np

from nasbase.containers.pickle_opcodes import PLAIN, TO_FLOAT

_FIRST = 0x7FF8_0000_0000_0001
"""Bits of what stands for the first float in `Template.numbered`: a NaN, for no integer is one, and
one that a number of four bytes does not become."""

_LONG = 32
"""Bytes that are worth comparing before all of them are."""


def opcode(name: int | str) -> bytes:
    """How protocol 4 writes an integer, or a text of at most 255 bytes."""
    if isinstance(name, int):
        return pickle.dumps(name, 2)[2:-1]  # without PROTO and STOP
    text = name.encode()
    return b"\x8c%c%s" % (len(text), text)


class Template:
    """What a pickle shares with those that are alike.

    Parameters
    ----------
    data
        The pickle; its opcodes are those of `nasbase.containers.pickle_opcodes`.
    floats, doubles
        Where floats stand in it: eight bytes each, big-endian, and little-endian in numpy's.
    names
        `opcode` of what may differ, too.

    Attributes
    ----------
    named
        How often each name stands in it.
    """

    def __init__(
        self, data: bytes, floats: np.ndarray, doubles: np.ndarray, names: Sequence[bytes]
    ) -> None:
        self._floats, self._doubles = floats, doubles
        self._count = len(floats) + len(doubles)
        rest = bytearray(data)
        self._put(rest, 0.0)
        self._names = [(len(name), [*_places(rest, name)]) for name in names]
        self._blank(rest)
        self._rest = bytes(rest)
        self._long = [*self._long_parts()]
        self.named = [len(places) for _, places in self._names]

    @classmethod
    def of(cls, data: bytes, names: Sequence[bytes]) -> Template | None:
        """Take apart a pickle that could be loaded; None if it has other opcodes."""
        if not PLAIN.fullmatch(data):
            return None
        ends = [match.end() for match in TO_FLOAT.finditer(data)]
        floats = np.array([end - 8 for end in ends if end < len(data)], np.int32)
        big = np.frombuffer(data, np.uint8)[floats - 1] == ord("G")
        return cls(data, floats[big], floats[~big], names)

    def numbered(self, names: Sequence[bytes]) -> bytes:
        """The pickle with numbered NaNs for floats: `places` tells which ones became what."""
        data = bytearray(self._rest)
        for name, (_, places) in zip(names, self._names, strict=True):
            for at in places:
                data[at : at + len(name)] = name
        self._put(data, np.arange(_FIRST, _FIRST + self._count).view(np.float64))
        return bytes(data)

    def places(self, floats: np.ndarray) -> np.ndarray | None:
        """Where numbered floats stand in what `read` gives; None if any of them has no number."""
        found = floats.view(np.int64) - _FIRST
        return found if ((found >= 0) & (found < self._count)).all() else None

    def read(self, data: bytes, names: Sequence[bytes]) -> np.ndarray | None:
        """The floats of a pickle, float64; None if it is not alike."""
        if len(data) != len(self._rest) or not self._has(data, names):
            return None
        rest = bytearray(data)
        big, little = _anywhere(rest)
        found = np.concatenate([big[self._floats], little[self._doubles]], dtype=np.float64)
        self._put(rest, 0.0)
        self._blank(rest)
        return found if rest == self._rest else None

    def _has(self, data: bytes, names: Sequence[bytes]) -> bool:
        """Whether names stand where they should, and what is long between the floats."""
        return all(
            len(name) == length and all(data.startswith(name, at) for at in places)
            for name, (length, places) in zip(names, self._names, strict=True)
        ) and all(data.startswith(part, at) for at, part in self._long)

    def _put(self, data: bytearray, numbers: np.ndarray | float) -> None:
        """Write numbers in place of all floats."""
        big, little = _anywhere(data)
        numbers = np.broadcast_to(numbers, self._count)
        big[self._floats], little[self._doubles] = np.split(numbers, [len(self._floats)])

    def _blank(self, data: bytearray) -> None:
        """Write zeros in place of all names."""
        for length, places in self._names:
            for at in places:
                data[at : at + length] = bytes(length)

    def _long_parts(self) -> Iterator[tuple[int, bytes]]:
        """What is long between floats and names, and where it begins."""
        gaps = [(int(at), 8) for at in (*self._floats, *self._doubles)]
        gaps += [(at, length) for length, places in self._names for at in places]
        start = 0
        for at, length in sorted(gaps):
            if at - start >= _LONG:
                yield start, self._rest[start:at]
            start = at + length


def _anywhere(data: bytearray) -> tuple[np.ndarray, np.ndarray]:
    """The eight bytes from every place on, as floats: big-endian, and little-endian."""
    size = max(0, len(data) - 7)
    big, little = (np.ndarray((size,), code, data, 0, (1,)) for code in (">f8", "<f8"))
    return big, little


def _places(data: bytearray, name: bytes) -> Iterator[int]:
    at = data.find(name)
    while at >= 0:
        yield at
        at = data.find(name, at + len(name))
