"""Templates of pickled dictionary bodies: how a long run of key-to-float items is read at once.

A release holds the same few dictionaries a hundred thousand times over: the keys are the epochs of
a schedule, only the floats differ. The items of such a dictionary, from the first key to SETITEMS,
have the same bytes each time but for the floats and for memo indices, which count on through the
pickle. So one is taken apart, and the next ones are compared and their floats gathered by numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nasbase.containers.pickle_window import LOOKAHEAD, Window

MIN_ITEMS = 8
"""Dictionaries with fewer floats stay plain dictionaries."""

MAX_KEY = 1 << 10
"""Longest key in bytes."""

BINFLOAT, BININT, BININT1, BININT2 = b"GJKM"
BINUNICODE, SHORT_BINUNICODE = 0x58, 0x8C
BINGET, LONG_BINGET, BINPUT, LONG_BINPUT, MEMOIZE = 0x68, 0x6A, 0x71, 0x72, 0x94
SETITEMS = 0x75


def _spans(starts: Sequence[int], width: int) -> np.ndarray:
    """Indices of all bytes of fields that start at ``starts``, as one flat array."""
    return (np.asarray(starts, np.intp)[:, None] + np.arange(width)).ravel()


class Body:
    """One dictionary body: its keys, and what to compare and to gather in bytes like it.

    Attributes
    ----------
    keys
        The keys in order.
    strings
        Strings that the body adds to the memo, in order.
    size
        Length in bytes, SETITEMS included.
    reusable
        False where a memo index of one byte stands in it: these end at 255, no other body is alike.
    """

    def __init__(self, raw: bytes, items: _Items) -> None:
        self.keys = tuple(items.keys)
        self.strings = tuple(items.strings)
        self.size = len(raw)
        self.reusable = not items.narrow
        self._floats = _spans(items.floats, 8)
        # Memo numbers of this entry: those of new strings count on from the counter, references
        # count back from it: -1 is the last thing memoised before.
        self._numbers = _spans([*items.puts, *items.gets], 4)
        self._number_steps = np.asarray([*items.put_order, *items.get_back], np.int64)
        self._get_back = items.get_back
        self._get_keys = [items.keys[i] for i in items.get_items]
        fixed = np.full(self.size, 0xFF, np.uint8)
        fixed[self._floats] = 0
        if self.reusable:
            fixed[self._numbers] = 0
        self._fixed = fixed
        self._raw = (np.frombuffer(raw, np.uint8) & fixed).tobytes()
        masked = np.flatnonzero(fixed == 0)
        self._head = raw[: int(masked[0])]

    def matches(self, window: Window, counter: int, memo: Sequence[Any]) -> bool:
        """Whether the bytes at the position are this body, keys and all.

        Parameters
        ----------
        window
            Positioned at the first key.
        counter
            Index that the next memoised object gets.
        memo
            Objects memoised since the entry began; the last one has index ``counter - 1``.
        """
        start, end = window.pos, window.pos + self.size
        if not window.data.startswith(self._head, start) or end > len(window.data):
            return False
        found = window.array[start:end]
        # Comparing bytes is several times faster than comparing arrays of this size.
        if (found & self._fixed).tobytes() != self._raw:
            return False
        numbers = found.take(self._numbers).tobytes()
        if numbers != (self._number_steps + counter).astype("<u4").tobytes():
            return False
        if self._get_back:
            if -min(self._get_back) > len(memo):
                return False
            return [memo[back] for back in self._get_back] == self._get_keys
        return True

    def floats(self, window: Window) -> np.ndarray:
        """The floats of the body at the position: float64 in the order of ``keys``."""
        found = window.array[window.pos : window.pos + self.size]
        return found.take(self._floats).view(">f8").astype(np.float64)


class _Items:
    """What `parse` collects; offsets count from the body's first byte."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.strings: list[str] = []
        self.floats: list[int] = []
        self.puts: list[int] = []
        self.put_order: list[int] = []
        self.gets: list[int] = []
        self.get_back: list[int] = []
        self.get_items: list[int] = []
        self.narrow = False


def parse(
    window: Window, counter: int, base: int, recall: Callable[[int], Any], max_size: int = 1 << 22
) -> Body | None:
    """Take apart the dictionary body at the position, which does not move.

    Parameters
    ----------
    window
        Positioned behind a MARK.
    counter
        Index that the next memoised object gets.
    base
        Index of the first object of the current entry: references before it are to things that
        are kept and stay where they are, the others move along.
    recall
        Object of a memo index.
    max_size
        Longest body in bytes.

    Returns
    -------
    Body or None
        None where the bytes are not a run of at least eight distinct ``str`` or ``int`` keys, each
        with a BINFLOAT; the caller then reads them opcode by opcode.
    """
    items = _Items()
    at = 0
    while at < max_size and window.ensure(at + MAX_KEY + LOOKAHEAD) | window.ensure(at + 1):
        data, start = window.data, window.pos
        if data[start + at] == SETITEMS:
            if len(items.keys) < MIN_ITEMS or len(set(items.keys)) < len(items.keys):
                return None
            return Body(data[start : start + at + 1], items)
        after = _key(data, start, at, items, counter, base, recall)
        if after is None or data[start + after : start + after + 1] != b"G":
            return None
        items.floats.append(after + 1)
        at = after + 9
    return None


def _key(
    data: bytes,
    start: int,
    at: int,
    items: _Items,
    counter: int,
    base: int,
    recall: Callable[[int], Any],
) -> int | None:
    """Read the key at ``start + at``; where its value begins, or None if it is no simple key."""
    op = data[start + at]
    at += 1
    if op in (BININT1, BININT2, BININT):
        width = {BININT1: 1, BININT2: 2, BININT: 4}[op]
        number = data[start + at : start + at + width]
        items.keys.append(int.from_bytes(number, "little", signed=op == BININT))
        return at + width
    if op in (BINUNICODE, SHORT_BINUNICODE):
        width = 4 if op == BINUNICODE else 1
        size = int.from_bytes(data[start + at : start + at + width], "little")
        at += width
        if size > MAX_KEY:
            return None
        try:
            items.keys.append(data[start + at : start + at + size].decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            return None
        return _put(data, start, at + size, items, counter)
    if op in (BINGET, LONG_BINGET):
        width = 4 if op == LONG_BINGET else 1
        index = int.from_bytes(data[start + at : start + at + width], "little")
        key = recall(index) if index < counter else None
        if type(key) is not str:
            return None
        if index >= base:  # moves with the entry
            items.gets.append(at)
            items.get_back.append(index - counter)
            items.get_items.append(len(items.keys))
            items.narrow |= op == BINGET
        items.keys.append(key)
        return at + width
    return None


def _put(data: bytes, start: int, at: int, items: _Items, counter: int) -> int | None:
    """Read the memo opcode behind a string key, if there is one; where the value begins."""
    op = data[start + at] if start + at < len(data) else 0
    order = len(items.strings)
    if op == MEMOIZE:
        items.strings.append(items.keys[-1])
        return at + 1
    if op not in (BINPUT, LONG_BINPUT):
        return at
    width = 4 if op == LONG_BINPUT else 1
    index = int.from_bytes(data[start + at + 1 : start + at + 1 + width], "little")
    if index != counter + order:
        return None
    if op == LONG_BINPUT:
        items.puts.append(at + 1)
        items.put_order.append(order)
    items.narrow |= op == BINPUT
    items.strings.append(items.keys[-1])
    return at + 1 + width
