"""Templates of pickled dictionary bodies: how a long run of key-to-float items is read at once.

A release holds the same few dictionaries a hundred thousand times over: the keys are the epochs of
a schedule, only the floats differ. The items of such a dictionary, from the first key to SETITEMS,
have the same bytes each time but for the floats and for memo indices, which count on through the
pickle. So one is taken apart, and the next ones are compared and their floats gathered by numpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from nasbase.containers.pickle_window import LOOKAHEAD, Window

MIN_ITEMS = 8
"""Dictionaries with fewer floats stay plain dictionaries."""

MAX_KEY = 1 << 10
"""Longest key in bytes."""

BINFLOAT, BININT = b"GJ"
MEMOIZE, BINPUT = b"\x94q"
SETITEMS = b"u"
may_be_body = re.compile(rb"(?:K.|M..|[jJ].{4}|h.)G|[X\x8c]", re.DOTALL).match
"""Whether a dictionary body may stand at a position: most begin with something else than a float,
and are told apart by this alone. (The value of a new text lies too far away to be looked at.)"""

_INTS = dict(zip(b"KMJ", (1, 2, 4), strict=True))
"""Opcodes and the width of what follows: of integers, text sizes, and memo indices."""
_TEXTS = dict(zip(b"\x8cX", (1, 4), strict=True))
_GETS = dict(zip(b"hj", (1, 4), strict=True))
_PUTS = dict(zip(b"qr", (1, 4), strict=True))


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
        self._regular = len(set(np.diff(items.floats))) == 1
        self._first, self._step = items.floats[0], items.floats[1] - items.floats[0]
        self._floats = _spans(items.floats, 8)
        # Memo numbers of this entry: those of new strings count on from the counter, references
        # count back from it: -1 is the last thing memoised before.
        self._numbers = _spans([*items.puts, *items.gets], 4)  # of no use where not reusable
        self._number_steps = np.asarray([*items.put_order, *items.get_back], np.int64)
        # One reference gives an object, several give a tuple, of both lists alike.
        self._referred: Callable[[Sequence[Any]], Any] | None = None
        self._farthest = 0
        if items.get_back:
            self._referred = itemgetter(*items.get_back)
            self._referred_keys = itemgetter(*items.get_items)(items.keys)
            self._farthest = -min(items.get_back)
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
        if not len(self._numbers):
            return True
        numbers = found.take(self._numbers).tobytes()
        if numbers != (self._number_steps + counter).astype("<u4").tobytes():
            return False
        if self._referred is None:
            return True
        return self._farthest <= len(memo) and self._referred(memo) == self._referred_keys

    def floats(self, window: Window) -> np.ndarray:
        """The floats of the body at the position: float64 in the order of ``keys``."""
        if self._regular:  # one view is several times faster than the bytes one by one
            first = window.pos + self._first
            view = np.ndarray(len(self.keys), ">f8", window.data, first, (self._step,))
            return view.astype(np.float64)
        found = window.array[window.pos : window.pos + self.size]
        return found.take(self._floats).view(">f8").astype(np.float64)


class _Items:
    """Reads items one by one and collects what a `Body` is made of.

    Offsets count from the body's first byte. What is no simple item is told by None.
    """

    def __init__(
        self, window: Window, counter: int, base: int, recall: Callable[[int], Any]
    ) -> None:
        self._window, self._counter, self._base, self._recall = window, counter, base, recall
        self.keys: list[Any] = []
        self.strings: list[str] = []
        self.floats: list[int] = []
        self.puts: list[int] = []
        self.put_order: list[int] = []
        self.gets: list[int] = []
        self.get_back: list[int] = []
        self.get_items: list[int] = []
        self.narrow = False

    def _bytes(self, at: int, size: int) -> bytes:
        start = self._window.pos + at
        return self._window.data[start : start + size]

    def _uint(self, at: int, width: int) -> int:
        return int.from_bytes(self._bytes(at, width), "little")

    def item(self, at: int) -> int | None:
        """Read the item at ``at``; where the next one begins."""
        op = self._uint(at, 1)
        after: int | None = None
        if op in _INTS:
            after = self._int(at + 1, _INTS[op], signed=op == BININT)
        elif op in _TEXTS:
            after = self._text(at + 1, _TEXTS[op])
        elif op in _GETS:
            after = self._reference(at + 1, _GETS[op])
        if after is None or self._uint(after, 1) != BINFLOAT:
            return None
        self.floats.append(after + 1)
        return after + 9

    def _int(self, at: int, width: int, *, signed: bool) -> int:
        self.keys.append(int.from_bytes(self._bytes(at, width), "little", signed=signed))
        return at + width

    def _text(self, at: int, width: int) -> int | None:
        size = self._uint(at, width)
        if size > MAX_KEY:
            return None
        try:
            self.keys.append(self._bytes(at + width, size).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            return None
        return self._put(at + width + size)

    def _put(self, at: int) -> int | None:
        """Read the memo opcode behind a new string, if there is one."""
        op = self._uint(at, 1)
        order = len(self.strings)
        if op == MEMOIZE:
            self.strings.append(self.keys[-1])
            return at + 1
        if op not in _PUTS:
            return at
        width = _PUTS[op]
        if self._uint(at + 1, width) != self._counter + order:
            return None
        self.puts.append(at + 1)
        self.put_order.append(order)
        self.narrow |= op == BINPUT
        self.strings.append(self.keys[-1])
        return at + 1 + width

    def _reference(self, at: int, width: int) -> int | None:
        index = self._uint(at, width)
        key = self._recall(index) if index < self._counter else None
        if type(key) is not str:
            return None
        if index >= self._base:  # it moves with the entry; others stay where they are
            self.gets.append(at)
            self.get_back.append(index - self._counter)
            self.get_items.append(len(self.keys))
            self.narrow |= width == 1
        self.keys.append(key)
        return at + width


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
    items = _Items(window, counter, base, recall)
    at: int | None = 0
    while at is not None and at < max_size:
        window.ensure(at + MAX_KEY + LOOKAHEAD)
        opcode = window.data[window.pos + at : window.pos + at + 1]
        if opcode == SETITEMS:
            if len(items.keys) < MIN_ITEMS or len(set(items.keys)) < len(items.keys):
                return None
            return Body(window.data[window.pos : window.pos + at + 1], items)
        at = items.item(at)
        if at is not None and window.pos + at > len(window.data):
            return None  # truncated
    return None
