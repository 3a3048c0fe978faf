"""Writing a huge pickle in pieces: byte for byte what the C pickler would write at once.

A pickler numbers the objects that it has written, and later bytes refer to these numbers. So a
pickle cannot be put together from the pickles of its parts, except after counting the numbers up.
Where they stand in the bytes, the C pickler itself tells: an entry is pickled twice, with numbers
that begin at different values, and whatever differs is one of its own numbers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasbase.containers.pickles import UpstreamPickler, upstream_names

PROTOCOL = 2
BATCH = 1000
"""The pickler writes so many items of a dictionary at a time."""

_OWN = (dict, list, tuple, float, bytes)
_LONG_PUT = ord("r")
_FIRST_LONG = 256  # below, numbers take one byte, and entries would differ in length


@dataclass(frozen=True, slots=True)
class Piece:
    """Some pickled objects whose own memo numbers are still to be counted up.

    Attributes
    ----------
    data
        Their bytes, numbered from an arbitrary number on.
    numbers
        Where the four bytes of each number stand that has to be counted up.
    count
        How many objects they add to the memo.
    """

    data: bytes
    numbers: np.ndarray
    count: int

    def moved(self, shift: int) -> bytes:
        """The bytes with all numbers raised by ``shift``."""
        found = np.frombuffer(self.data, np.uint8).copy()
        at = (self.numbers[:, None] + np.arange(4)).ravel()
        found[at] = (found[at].view("<u4") + np.uint32(shift)).astype("<u4").view(np.uint8)
        return found.tobytes()


class PiecewisePickler:
    """Pickles ``{**head, key: {k1: v1, k2: v2, ...}, **tail}`` without ever holding all of it.

    Entries may share strings of the first entry, such as the names of fields, and what numpy
    scalars are made of; everything else must be their own. Picklers made from equal arguments
    number alike, so pieces may be made in other processes.

    Parameters
    ----------
    head
        Items before the long dictionary, at least 256 objects.
    key
        Key of the long dictionary.
    first
        Its first key and value.
    shared
        Whether entries may share a string of the first one: the fewer, the faster.

    Attributes
    ----------
    start
        Bytes up to and with ``key``: the long dictionary itself, without an item.
    first_entry
        Bytes of the first entry.
    """

    def __init__(
        self,
        head: Mapping[str, Any],
        key: str,
        first: tuple[Any, Any],
        shared: Callable[[str], bool] = lambda _text: True,
    ) -> None:
        top: dict = {}
        entries: dict = {}
        opening = _Part({id(top): (0, top)})
        start = [
            b"\x80\x02}q\x00(",
            *(opening.dump(part) for item in head.items() for part in item),
        ]
        start.append(opening.dump(key))
        number = len(opening.memo)
        start.append(b"}r" + number.to_bytes(4, "little"))
        if number < _FIRST_LONG:
            raise ValueError(f"{number} objects before the entries; at least {_FIRST_LONG}")
        before = {**opening.memo, id(entries): (number, entries)}
        opening.memo = before
        self.start = b"".join(start)
        self.first_entry = opening.dump(first[0]) + opening.dump(first[1])
        kept = {
            address: (index, obj)
            for address, (index, obj) in opening.memo.items()
            if address not in before
            and not isinstance(obj, _OWN)
            and not (isinstance(obj, str) and not shared(obj))
        }
        # A pickler numbers a new object with the size of its memo: fill it up.
        filler = [object() for _ in range(max(_FIRST_LONG - len(kept), 0) + 1)]
        raised = kept | {id(obj): (0, obj) for obj in filler}
        self._plain = _Part(dict(list(raised.items())[:-1]))
        self._raised = _Part(raised)
        self._first_shift = len(opening.memo) - len(raised) + 1

    def piece(self, *objects: Any) -> Piece:
        """Pickle objects that follow the first entry."""
        plain, raised = self._plain.again(objects), self._raised.again(objects)
        first = np.frombuffer(plain, np.uint8)
        differs = first != np.frombuffer(raised, np.uint8)
        # A number is one higher in the second pickle: its lowest byte differs, and perhaps, by
        # the carry, those behind it.
        numbers = np.flatnonzero(differs & ~np.concatenate([[False], differs[:-1]]))
        count = int((first[numbers - 1] == _LONG_PUT).sum())
        return Piece(plain, numbers, count)

    def chunks(
        self, entries: Iterable[Piece], total: int, tail: Mapping[str, Any]
    ) -> Iterator[bytes]:
        """The bytes of the pickle.

        Parameters
        ----------
        entries
            Pieces of a key and a value each: all entries but the first, in order.
        total
            Number of entries, the first one counted.
        tail
            Items after the long dictionary.
        """
        shift = self._first_shift
        yield self.start
        yield self.first_entry if total == 1 else b"(" + self.first_entry
        written = 1
        for piece in entries:
            if written % BATCH == 0:
                yield b"u("
            yield piece.moved(shift)
            shift += piece.count
            written += 1
        if written != total:
            raise ValueError(f"{written} entries instead of {total}")
        yield b"s" if total == 1 else b"u" if total % BATCH else b"u(u"
        for item in tail.items():
            for part in item:
                piece = self.piece(part)
                yield piece.moved(shift)
                shift += piece.count
        yield b"u."


class _Part:
    """A pickler that goes on where it stopped, or starts again from where it began."""

    def __init__(self, memo: Mapping[int, tuple[int, Any]]) -> None:
        self._out = io.BytesIO()
        self._pickler = UpstreamPickler(self._out, PROTOCOL)
        self._origin = UpstreamPickler(io.BytesIO(), PROTOCOL)
        self._pickler.memo = dict(memo)
        self._origin.memo = dict(memo)

    @property
    def memo(self) -> dict[int, tuple[int, Any]]:
        """What has been numbered, by address."""
        return self._pickler.memo.copy()

    @memo.setter
    def memo(self, memo: dict[int, tuple[int, Any]]) -> None:
        self._pickler.memo = memo

    def dump(self, obj: Any) -> bytes:
        """Bytes of one more object, without the pickle's first and last opcode."""
        self._out.seek(0)
        self._out.truncate()
        self._pickler.dump(obj)
        return upstream_names(self._out.getvalue()[2:-1])

    def again(self, objects: Iterable[Any]) -> bytes:
        """Bytes of objects that come first after the memo that this was made with."""
        self._pickler.memo = self._origin.memo
        return b"".join(map(self.dump, objects))
