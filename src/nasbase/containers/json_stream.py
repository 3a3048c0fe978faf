"""Elements of large JSON lists, one at a time.

Memory is bounded by one chunk and one element. The text is what Python's `json` accepts: NaN and
Infinity literals are released in NDS, and strict parsers refuse them.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator
from itertools import count
from typing import Any, NoReturn, Protocol

from nasbase.errors import RawDataError

CHUNK = 1 << 20
"""Bytes that are read at once."""
MAX_ELEMENT = 16 << 20
"""Characters that one element may have."""

_MARGIN = 16
"""An incomplete token is reported at most this far before the end of the text (``-Infinity``,
``\\uXXXX\\uXXXX``); an error further inside is no matter of missing text."""

_EXPONENT = len("e+1")
"""This many characters behind a number suffice to see that it has ended."""

_whitespace = re.compile(r"[ \t\n\r]*").match


class Readable(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; json would silently keep the last of two equal keys."""
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(f"key {next(k for k in keys if keys.count(k) > 1)!r} twice")
    return value


_decode = json.JSONDecoder(object_pairs_hook=_unique).raw_decode


def stream_elements(
    stream: Readable,
    *,
    where: str,
    groups: Collection[str] = (),
    chunk: int = CHUNK,
    max_element: int = MAX_ELEMENT,
) -> Iterator[tuple[str | None, int, Any]]:
    """Elements of a JSON list, or of the lists inside a JSON object.

    Parameters
    ----------
    stream
        UTF-8 text. It is read to its end, so that a checksum behind it is verified.
    where
        Name of the stream for error messages.
    groups
        If the text is an object instead of a list: the keys that it must have, each holding a
        list, in any order.
    chunk
        Bytes to read at once.
    max_element
        Characters that one element may have.

    Yields
    ------
    tuple
        Key of the list (None for a top-level list), index inside the list, the element.

    Raises
    ------
    RawDataError
        If the text is not such JSON, is cut off, or an object inside it has a key twice.
    """
    window = _Window(stream, where, chunk, max_element)
    if groups and window.peek() == "{":
        yield from _grouped(window, groups)
    else:
        yield from _listed(window, None)
    if window.peek():
        window.fail("Text follows the end of the JSON.", "the end of the file")


def _grouped(window: _Window, groups: Collection[str]) -> Iterator[tuple[str | None, int, Any]]:
    window.take("{")
    missing = list(groups)
    while True:
        key = window.value()
        if key not in missing:
            window.fail(f"The object has an unexpected key {key!r}.", f"one of {missing}, once")
        missing.remove(key)
        window.take(":")
        yield from _listed(window, key)
        if window.take(",}") == "}":
            break
    if missing:
        window.fail(f"The object lacks {missing}.", f"the keys {sorted(groups)}")


def _listed(window: _Window, group: str | None) -> Iterator[tuple[str | None, int, Any]]:
    window.element = f"list {group!r}" if group else "list"
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return
    for index in count():
        window.element = f"element {index}" + (f" of {group!r}" if group else "")
        yield group, index, window.value()
        if window.take(",]") == "]":
            return


class _Window:
    """The part of the text that is in memory: what has been read and not yet taken."""

    def __init__(self, stream: Readable, where: str, chunk: int, max_element: int) -> None:
        self.stream = stream
        self.where = where
        self.chunk = chunk
        self.max_element = max_element
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        self.position = 0
        self.base = 0  # bytes before the first character of `text`
        self.ended = False
        self.longest = 0  # characters of a value
        self.element = "start"

    def fill(self) -> bool:
        """Drop what was taken and read on; False at the end of the stream."""
        if self.ended:
            return False
        taken, rest = self.text[: self.position], self.text[self.position :]
        if len(rest) > self.max_element:
            self.fail("An element is too large.", f"at most {self.max_element} characters")
        self.base += len(taken) if taken.isascii() else len(taken.encode())
        # Read as much as is already waiting, so that long elements cost linear time.
        data = self.stream.read(max(self.chunk, len(rest)))
        self.text, self.position = rest, 0
        self.ended = not data
        try:
            self.text += self.decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            self.fail(f"The text is not UTF-8: {error.reason}.", "UTF-8")
        return not self.ended

    def peek(self) -> str:
        """Next character that is no whitespace, not taken; empty at the end."""
        while True:
            self.position = _whitespace(self.text, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.fill():
                return ""

    def take(self, wanted: str) -> str:
        """Take the next character, which has to be one of ``wanted``."""
        found = self.peek()
        if not found or found not in wanted:
            self.fail("The JSON text is broken.", " or ".join(repr(c) for c in wanted))
        self.position += 1
        return found

    def value(self) -> Any:
        """Take one whole JSON value."""
        self.peek()
        # A value that is cut off is decoded twice, and the error about it counts all lines before.
        # More than an element may have is never waiting here: it would be refused as one.
        if len(self.text) - self.position < min(self.longest, self.max_element):
            self.fill()
        while True:
            try:
                value, end = _decode(self.text, self.position)
            except json.JSONDecodeError as error:
                distance = error.pos - self.position
                cut = error.pos >= len(self.text) - _MARGIN or error.msg.startswith("Unterminated")
                if not (cut and self.fill()):
                    self.position += distance
                    self.fail(f"The JSON text is broken: {error.msg}.", "a complete JSON value")
            except RecursionError:
                self.fail("The JSON text is nested too deeply.", "a few levels of nesting")
            except ValueError as error:  # a key twice, or an integer of thousands of digits
                self.fail(f"The JSON text is refused: {error}.", "plain JSON with unique keys")
            else:
                size = end - self.position
                # A number near the end of the text may go on in the next chunk: `1` as `1.5e-7`.
                open_end = isinstance(value, int | float) and len(self.text) - end < _EXPONENT
                if not (open_end and self.fill()):
                    self.position += size
                    self.longest = max(self.longest, size)
                    return value

    def fail(self, what: str, expected: str) -> NoReturn:
        """Raise, saying where the text stands."""
        before = self.text[: self.position]
        near = self.text[self.position : self.position + 40]
        raise RawDataError(
            what,
            where=f"{self.where}, byte {self.base + len(before.encode())}, {self.element}",
            expected=expected,
            found=repr(near) if near else "the end of the file",
            todo="The file is damaged or altered: obtain the released file again.",
        )
