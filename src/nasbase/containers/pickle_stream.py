"""One dictionary of a huge pickle, entry by entry, in the memory of one entry.

A released file is one pickle of one dictionary whose item ``arch2infos`` holds 15,625 records. An
unpickler keeps every object in its memo until the end: some 150 million of them, 24 GB. Here the
opcodes are walked by a small loop, entries are handed over as they become complete, and the memo is
forgotten with them, but for strings, names and numpy types, which later entries may refer to. Long
dictionaries of floats, nearly all of the bytes, are read in one step each (`pickle_body`).
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pickle import decode_long
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from nasbase.containers.float_map import FloatMap
from nasbase.containers.pickle_body import Body, may_be_body, parse
from nasbase.containers.pickle_opcodes import MAX_TUPLES
from nasbase.containers.pickle_window import LOOKAHEAD, Window
from nasbase.containers.pickles import ALLOWED, Opaque, RefusedError

MAX_ENTRY = 1 << 25
"""Most bytes of one entry, or of what stands before or after all entries."""

MAX_KEPT = 4_000_000
"""Most objects of finished entries that can still be referred to (64 MB)."""

MAX_BODIES = 64
"""Templates of dictionary bodies; the one used longest ago makes room."""

MAX_NAME = 200
"""Longest name of a module or of something in it."""

MAX_GUESSES = 1000
"""Sequences of templates of which the next one is remembered."""

CONTEXT = 8
"""Templates before one that tell which one it is: about as many as a training has."""

BATCH = 1000
"""Picklers write items in batches of so many."""

_REPLACE_FILE = "Compare the file's digest with the published one and fetch it again."
_GET4, _PUT4 = b"jr"
_DOUBLE = struct.Struct(">d").unpack_from
_UINT4 = struct.Struct("<I").unpack_from
_INT4 = struct.Struct("<i").unpack_from
_UINT2 = struct.Struct("<H").unpack_from
_KEPT_TYPES = frozenset(type(allowed) for allowed in ALLOWED.values()) | {
    type(ALLOWED["numpy", "dtype"]("f8"))  # type: ignore[operator]
}
_BROKEN = (IndexError, KeyError, TypeError, ValueError, OverflowError, AttributeError, struct.error)


def _takes_no_more(value: Any) -> bool:
    """Whether no pickler would add an item to ``value`` that follows without a mark."""
    if isinstance(value, list | dict | FloatMap):
        return len(value) % BATCH != 0
    # Text may be a module's name, and a name waits for its arguments.
    return not isinstance(value, str) and not callable(value)


class Entry(NamedTuple):
    """One item of the streamed dictionary.

    Attributes
    ----------
    key, value
        As an unpickler gives them, but for long dictionaries of floats, which are `FloatMap`.
    start, end
        Byte range of key and value in the pickle.
    """

    key: Any
    value: Any
    start: int
    end: int


class EntryStream:
    """The items of ``top[key]``, for a pickle of a dictionary ``top``.

    Parameters
    ----------
    stream
        Binary stream at the pickle's first byte; it is read forwards only, and somewhat beyond the
        pickle's end.
    key
        Which item of the top-level dictionary to stream.
    where
        Names the pickle in error messages.

    Attributes
    ----------
    end
        Number of bytes of the pickle, once it has been read; None before.

    Raises
    ------
    RawDataError
        While iterating: if the pickle is damaged, uses a name that no release uses, refers to an
        object of an entry that has been handed over (strings of the first entry and those outside
        long dictionaries excepted), or has no such item.

    Notes
    -----
    Protocols 2 to 5, as the C and the Python pickler of Python 3 write them. A value that is a
    tuple is refused: until the next key has been read it looks like a key and a value.
    """

    def __init__(self, stream: BinaryIO, key: str = "arch2infos", where: str = "pickle") -> None:
        self._window = Window(stream, where=where, limit=MAX_ENTRY)
        self._key = key
        self._started = self._stopped = False
        self._pausing = False  # whether there is something to hand over, or the pickle has ended
        self.end: int | None = None
        self._at = 0  # where the current opcode begins
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # the stacks below the marks
        self._top: Any = None
        # the streamed dictionary, its items in the making, and what is ready to be handed over
        self._target: Any = None
        self._items: list[Any] | None = None
        self._starts: list[int] = []  # where each of `_items` begins
        self._done: list[Entry] = []
        self._entries = 0
        # objects of this entry by memo index less `_memo_base`; kept objects of earlier entries,
        # up to the first one in a dict (most references are to these), of later ones compactly
        self._memo: list[Any] = []
        self._memo_base = 0
        self._early: dict[int, Any] = {}
        self._kept_index = array("q")
        self._kept: list[Any] = []
        self._texts: dict[str, str] = {}
        self._tuples = 0
        # a dictionary that can take a body: offset behind it; memo slots of those that took one
        self._fresh_at = -1
        self._fresh_slot: int | None = None
        self._slots: dict[int, int | None] = {}
        self._bodies: list[Body] = []
        self._longest = 0
        self._recent: tuple[Body | None, ...] = (None,) * CONTEXT
        self._next: dict[tuple[Body | None, ...], Body] = {}
        self._handlers = [self._unknown] * 256
        for opcode, handler in _HANDLERS.items():
            self._handlers[opcode[0]] = getattr(self, handler)

    @property
    def head(self) -> dict[Any, Any]:
        """The other items of the top-level dictionary that have been read; at last, all of them."""
        found = dict(self._top or {})
        if self._outer and self._outer[0] and self._outer[0][0] is self._top:
            items = self._outer[1] if len(self._outer) > 1 else self._stack
            found.update(zip(items[::2], items[1::2], strict=False))
        found.pop(self._key, None)
        return found

    # ------------------------------------------------------------------ the loop

    def __iter__(self) -> Iterator[Entry]:
        if self._started:
            raise ValueError("an EntryStream can be read once")
        self._started = True
        try:
            yield from self._walk()
        except RefusedError as refused:
            self._window.fail(
                refused.what,
                at=self._at,
                expected=refused.expected or "what upstream's pickler writes",
                found=refused.found or "something else",
                todo="Do not use this file. " + _REPLACE_FILE,
            )

    def _walk(self) -> Iterator[Entry]:
        while not self._stopped:
            self._pausing = False
            try:
                self._run()
            except (*_BROKEN, RecursionError) as error:
                short = not self._window.ensure(LOOKAHEAD)
                self._window.fail(
                    "The pickle is damaged or truncated." if short else "The pickle is damaged.",
                    at=self._at,
                    expected="opcodes that fit together",
                    found=f"{type(error).__name__}: {error}",
                    todo=_REPLACE_FILE,
                )
            while self._done:
                yield self._done.pop(0)
        if self._target is None:
            self._window.fail(
                "The pickle lacks the dictionary of its records.",
                expected=f"a dictionary with an item {self._key!r} that is a dictionary",
                found=f"{type(self._top).__name__} with keys {sorted(map(str, self.head))[:10]}",
                todo="Check that the file is the benchmark file of this release.",
            )

    def _run(self) -> None:
        """Walk on until an entry is complete or the pickle ends."""
        window, handlers, early = self._window, self._handlers, self._early
        while not self._pausing:
            if window.pos > window.safe:
                window.ensure(LOOKAHEAD)
            at = window.pos
            self._at = window.base + at
            opcode = window.data[at]
            # Two of three opcodes are one of these two: they are done without a handler.
            if opcode == _GET4:
                (index,) = _UINT4(window.data, at + 1)
                window.pos = at + 5
                value = early.get(index)
                if value is None:
                    self._get(index)
                else:  # a string or a name: nothing that could still be changed
                    self._stack.append(value)
            elif opcode == _PUT4:
                (index,) = _UINT4(window.data, at + 1)
                window.pos = at + 5
                self._memoise(index)
            else:
                window.pos = at + 1
                handlers[opcode]()
            if self._stack is self._items:
                self._watch()

    def _watch(self) -> None:
        """After an opcode between items of the streamed dictionary: hand over what is complete."""
        stack, starts = self._stack, self._starts
        depth = len(stack)
        del starts[depth:]
        if depth == len(starts):
            return
        starts.append(self._at)
        # The next key tells that a value is complete, unless the value may still take an item:
        # picklers write a lone item of a dictionary or list without a mark.
        if depth > 2 and depth % 2 and _takes_no_more(stack[-2]):
            self._finish(self._at, stack[:-1])
            del stack[:-1], starts[:-1]

    def _finish(self, end: int, items: list[Any]) -> None:
        """Hand over complete items, the last one up to offset ``end``, and forget their memo."""
        offset = self._window.offset
        bounds = [offset(start) for start in (*self._starts[: len(items) : 2], end)]
        for i in range(0, len(items), 2):
            self._done.append(Entry(items[i], items[i + 1], bounds[i // 2], bounds[i // 2 + 1]))
        self._entries += len(items) // 2
        self._pausing = True
        self._memo_base += len(self._memo)
        self._memo.clear()
        self._slots.clear()
        self._tuples = 0
        self._window.checkpoint(end)

    # ------------------------------------------------------------------ memo

    def _memoise(self, index: int) -> None:
        memo, value = self._memo, self._stack[-1]
        counter = self._memo_base + len(memo)
        if index != counter:
            raise RefusedError(
                "A pickle numbers its objects in an unknown way.", expected=counter, found=index
            )
        kind = type(value)
        if kind is str:
            if len(self._texts) < MAX_KEPT:
                value = self._stack[-1] = self._texts.setdefault(value, value)
            self._keep(counter, value)
        elif self._fresh_at == self._at:
            self._fresh_at, self._fresh_slot = self._window.here, len(memo)
        elif kind in _KEPT_TYPES:
            self._keep(counter, value)
        memo.append(value)
        if value is self._target:
            self._starts = [self._window.here]

    def _keep(self, index: int, value: Any) -> None:
        if not self._entries:
            self._early[index] = value
        elif len(self._kept) < MAX_KEPT:
            self._kept_index.append(index)
            self._kept.append(value)

    def _recall(self, index: int) -> Any:
        """The object with a memo index."""
        if index >= self._memo_base:
            return self._memo[index - self._memo_base]
        if index in self._early:
            return self._early[index]
        at = bisect_left(self._kept_index, index)
        if at == len(self._kept) or self._kept_index[at] != index:
            raise RefusedError(
                "A record refers to an object of another record.",
                expected="references to strings, names and numpy types only",
                found=f"memo index {index}, and this record begins at {self._memo_base}",
            )
        return self._kept[at]

    def _get(self, index: int) -> None:
        value = self._recall(index)
        if type(value) is not str:
            self._slots.pop(id(value), None)
            if value is self._top or value is self._target:
                raise RefusedError("A record refers to the whole release.")
        self._stack.append(value)

    # ------------------------------------------------------------------ dictionaries

    def _push_dict(self, value: dict) -> None:
        stack, outer = self._stack, self._outer
        if not stack and not outer:
            self._top = value
        elif stack and stack[-1] == self._key and self._is_top_key():
            if self._target is not None:
                raise RefusedError(f"A pickle has two items {self._key!r}.")
            self._target = value
            self._starts = [self._window.here]
        stack.append(value)
        self._fresh_at, self._fresh_slot = self._window.here, None

    def _is_top_key(self) -> bool:
        """Whether the last thing on the stack is a key of the top-level dictionary."""
        stack, outer = self._stack, self._outer
        if outer:
            return len(outer) == 1 and outer[0][-1] is self._top and len(stack) % 2 == 1
        return len(stack) == 2 and stack[0] is self._top

    def _mark(self) -> None:
        stack = self._stack
        if self._target is not None and stack and stack[-1] is self._target:
            self._stack = self._items = []
            self._starts = []
        elif self._fresh_at == self._at and self._read_body():
            return
        else:
            self._stack = []
        self._outer.append(stack)

    def _read_body(self) -> bool:
        """Read the items of the dictionary on the stack in one step, if they are a `Body`."""
        window, memo = self._window, self._memo
        if not may_be_body(window.data, window.pos):
            return False
        counter = self._memo_base + len(memo)
        window.ensure(self._longest)
        body = self._known_body(counter)
        new = body is None
        if body is None:
            body = parse(window, counter, self._memo_base, self._recall)
            if body is None:
                return False
            if body.reusable:
                self._bodies.insert(0, body)
                if len(self._bodies) > MAX_BODIES:
                    self._bodies.pop()
                    self._next.clear()
                self._longest = max(self._longest, body.size)
        self._recent = (*self._recent[1:], body)
        if not self._add_floats(body.keys, body.floats(window)):
            return False
        window.pos += body.size
        if new or not self._entries:  # keys may be shared by all that come later
            for index, text in enumerate(body.strings, counter):
                self._keep(index, text)
        memo.extend(body.strings)
        self._fresh_at = window.here
        return True

    def _known_body(self, counter: int) -> Body | None:
        """The template that fits at the position: the one that came after the same ones before."""
        window, memo, bodies = self._window, self._memo, self._bodies
        guess = self._next.get(self._recent)
        if guess is not None and guess.matches(window, counter, memo):
            return guess
        for place, body in enumerate(bodies):
            if body is not guess and body.matches(window, counter, memo):
                bodies.insert(0, bodies.pop(place))
                if len(self._next) >= MAX_GUESSES:
                    self._next.clear()
                self._next[self._recent] = body
                return body
        return None

    def _add_floats(self, keys: tuple[Any, ...], values: np.ndarray) -> bool:
        before = self._stack[-1]
        slot = self._fresh_slot
        if type(before) is FloatMap:  # picklers write a thousand items at a time
            if id(before) not in self._slots:
                return False
            slot = self._slots.pop(id(before))
            keys = before.keys_tuple + keys
            values = np.concatenate([before.values_array, values])
            if len(set(keys)) < len(keys):
                raise RefusedError("A pickle gives a key of a dictionary twice.")
        self._place(FloatMap(keys, values), slot)
        self._slots[id(self._stack[-1])] = slot
        return True

    def _place(self, value: Any, slot: int | None) -> None:
        """Put ``value`` where the dictionary on the stack is: nothing but the memo holds it."""
        self._stack[-1] = value
        if slot is not None:
            self._memo[slot] = value

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is FloatMap:
            if id(target) not in self._slots:
                raise RefusedError("A pickle adds items to a dictionary that is finished.")
            self._place(dict(target), self._slots.pop(id(target)))
            target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise RefusedError("A pickle sets items of something that is no dictionary.")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _setitems(self) -> None:
        outer = self._outer[-1]
        if self._stack is self._items and outer[-1] is self._target:
            items = self._pop_mark()
            if len(items) % 2:
                raise RefusedError("A record has a key and no value.")
            self._finish(self._at, items)
            self._items = None
            self._starts = [self._window.here]
            return
        self._set_items(self._pop_mark())

    def _setitem(self) -> None:
        stack = self._stack
        items = stack[-2:]
        if self._target is not None and stack[-3] is self._target:
            self._finish(self._at, items)
            self._starts = [self._window.here]
        del stack[-2:]
        if stack[-1] is not self._target:
            self._set_items(items)

    # ------------------------------------------------------------------ opcodes

    def _unknown(self) -> None:
        raise RefusedError(
            "A pickle holds an opcode that no release contains.",
            found=f"0x{self._window.data[self._window.pos - 1]:02x}",
        )

    def _uint1(self) -> int:
        window = self._window
        at = window.pos
        window.pos = at + 1
        return window.data[at]

    def _uint4(self) -> int:
        window = self._window
        at = window.pos
        window.pos = at + 4
        return _UINT4(window.data, at)[0]

    def _text(self, size: int) -> str:
        return self._window.take(size).decode("utf-8", "surrogatepass")

    def _pop_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._outer.pop()
        return items

    def _op_proto(self) -> None:
        version = self._uint1()
        if not 2 <= version <= 5:
            raise RefusedError("Unknown pickle protocol.", expected="2 to 5", found=version)

    def _op_frame(self) -> None:
        self._window.enter_frame()

    def _op_stop(self) -> None:
        value = self._stack.pop()
        if self._stack or self._outer or (value is not self._top and self._target is not None):
            raise RefusedError("A pickle ends with something left over.")
        self._window.finish_frame()
        self._stopped = self._pausing = True
        self.end = self._window.offset(self._window.here)

    def _op_none(self) -> None:
        self._stack.append(None)

    def _op_true(self) -> None:
        self._stack.append(True)

    def _op_false(self) -> None:
        self._stack.append(False)

    def _op_int1(self) -> None:
        window = self._window
        self._stack.append(window.data[window.pos])
        window.pos += 1

    def _op_int2(self) -> None:
        window = self._window
        self._stack.append(_UINT2(window.data, window.pos)[0])
        window.pos += 2

    def _op_int4(self) -> None:
        window = self._window
        self._stack.append(_INT4(window.data, window.pos)[0])
        window.pos += 4

    def _op_long1(self) -> None:
        self._stack.append(decode_long(self._window.take(self._uint1())))

    def _op_long4(self) -> None:
        self._stack.append(decode_long(self._window.take(self._uint4())))

    def _op_float(self) -> None:
        window = self._window
        self._stack.append(_DOUBLE(window.data, window.pos)[0])
        window.pos += 8

    def _op_text1(self) -> None:
        self._stack.append(self._text(self._uint1()))

    def _op_text4(self) -> None:
        window = self._window
        (size,) = _UINT4(window.data, window.pos)
        window.pos += 4
        self._stack.append(self._text(size))

    def _op_text8(self) -> None:
        self._stack.append(self._text(int.from_bytes(self._window.take(8), "little")))

    def _op_bytes1(self) -> None:
        self._stack.append(self._window.take(self._uint1()))

    def _op_bytes4(self) -> None:
        self._stack.append(self._window.take(self._uint4()))

    def _op_bytes8(self) -> None:
        self._stack.append(self._window.take(int.from_bytes(self._window.take(8), "little")))

    def _op_put1(self) -> None:
        self._memoise(self._uint1())

    def _op_memoise(self) -> None:
        self._memoise(self._memo_base + len(self._memo))

    def _op_get1(self) -> None:
        self._get(self._uint1())

    def _op_dict(self) -> None:
        self._push_dict({})

    def _op_list(self) -> None:
        self._stack.append([])

    def _op_set(self) -> None:
        self._stack.append(set())

    def _op_append(self) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _op_appends(self) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise RefusedError("A pickle appends to something that is no list.")
        self._stack[-1].extend(items)

    def _op_additems(self) -> None:
        items = self._pop_mark()
        if not isinstance(self._stack[-1], set):
            raise RefusedError("A pickle adds to something that is no set.")
        self._stack[-1].update(items)

    def _push_tuple(self, size: int) -> None:
        # Nested without end, they overflow the C stack when they are hashed.
        self._tuples += 1
        if self._tuples > MAX_TUPLES or size > len(self._stack):
            raise RefusedError("A record holds too many tuples, or one is incomplete.")
        first = len(self._stack) - size
        self._stack[first:] = [tuple(self._stack[first:])]

    def _op_tuple0(self) -> None:
        self._stack.append(())

    def _op_tuple1(self) -> None:
        self._push_tuple(1)

    def _op_tuple2(self) -> None:
        self._push_tuple(2)

    def _op_tuple3(self) -> None:
        self._push_tuple(3)

    def _op_tuple(self) -> None:
        items = self._pop_mark()
        self._stack.extend(items)
        self._push_tuple(len(items))

    def _op_global(self) -> None:
        module = self._line()
        self._push_allowed(module, self._line())

    def _line(self) -> str:
        window = self._window
        window.ensure(MAX_NAME)
        end = window.data.find(b"\n", window.pos, window.pos + MAX_NAME)
        if end < 0:
            raise RefusedError("A pickle holds a name that does not end.")
        return window.take(end + 1 - window.pos)[:-1].decode()

    def _op_stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._push_allowed(module, name)

    def _push_allowed(self, module: object, name: object) -> None:
        if (module, name) not in ALLOWED:
            raise RefusedError(
                "A pickle asks for a name that no release contains.",
                expected=", ".join(sorted({f"{m}.{n}" for m, n in ALLOWED if m != "torch"})),
                found=f"{module}.{name}"[:200],
            )
        self._stack.append(ALLOWED[module, name])  # type: ignore[index]

    def _op_reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if type(function) not in _KEPT_TYPES or not isinstance(arguments, tuple):
            raise RefusedError("A pickle calls something that is no function.")
        made = function(*arguments)
        if isinstance(made, dict) and not made:
            self._push_dict(made)
        else:
            self._stack.append(made)

    def _op_build(self) -> None:
        state = self._stack.pop()
        self._stack[-1].__setstate__(state)

    def _op_persistent(self) -> None:
        self._stack[-1] = Opaque("storage")


_HANDLERS = {
    b"\x80": "_op_proto",
    b"\x95": "_op_frame",
    b".": "_op_stop",
    b"(": "_mark",
    b"N": "_op_none",
    b"\x88": "_op_true",
    b"\x89": "_op_false",
    b"K": "_op_int1",
    b"M": "_op_int2",
    b"J": "_op_int4",
    b"\x8a": "_op_long1",
    b"\x8b": "_op_long4",
    b"G": "_op_float",
    b"\x8c": "_op_text1",
    b"X": "_op_text4",
    b"\x8d": "_op_text8",
    b"C": "_op_bytes1",
    b"B": "_op_bytes4",
    b"\x8e": "_op_bytes8",
    b"q": "_op_put1",
    b"\x94": "_op_memoise",
    b"h": "_op_get1",
    b"}": "_op_dict",
    b"u": "_setitems",
    b"s": "_setitem",
    b"]": "_op_list",
    b"a": "_op_append",
    b"e": "_op_appends",
    b"\x8f": "_op_set",
    b"\x90": "_op_additems",
    b")": "_op_tuple0",
    b"\x85": "_op_tuple1",
    b"\x86": "_op_tuple2",
    b"\x87": "_op_tuple3",
    b"t": "_op_tuple",
    b"c": "_op_global",
    b"\x93": "_op_stack_global",
    b"R": "_op_reduce",
    b"b": "_op_build",
    b"Q": "_op_persistent",
}
"""What each opcode does; `_GET4` and `_PUT4` are in the loop itself, POP, DUP and all text opcodes
in no release."""
