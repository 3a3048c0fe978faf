"""A sliding window over the bytes of one pickle, with the frames of protocol 4 taken out."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, BinaryIO, NoReturn

import numpy as np

from nasbase.errors import RawDataError

CHUNK = 1 << 20
FRAME = 0x95
FRAME_HEADER = 9
LOOKAHEAD = 16
"""No opcode with an argument of fixed size is longer than this."""


class Window:
    """What has been read of a stream and is still needed; reads forwards only.

    Offsets in ``base`` and ``pos`` count unframed bytes; `offset` turns them into offsets in the
    stream, so that errors and byte ranges name what stands in the file.

    Parameters
    ----------
    stream
        Anything with ``read(n)``; it need not seek.
    where
        Name of the pickle for error messages.
    limit
        Most bytes that may be read without a call of `checkpoint`: a bound on memory.
    """

    def __init__(self, stream: BinaryIO, *, where: str, limit: int) -> None:
        self._stream = stream
        self._where = where
        self._limit = limit
        self._exhausted = False
        self._left: int | None = None  # bytes left of the current frame; None: not in a frame
        self._header = b""  # the part of a frame header that has been read
        self._shifts: list[tuple[int, int]] = [(0, 0)]  # (unframed offset, header bytes before it)
        self._plain_from = 0  # unframed offset from which `data` is as the stream has it
        self._checkpoint = 0
        self.data = b""
        self.array = np.frombuffer(b"", np.uint8)
        self.base = 0
        self.pos = 0
        self.safe = -1  # up to here an opcode and its argument of fixed size can be read

    # ------------------------------------------------------------------ reading

    def ensure(self, size: int) -> bool:
        """Whether ``size`` bytes stand at the position, after reading on if need be."""
        while len(self.data) - self.pos < size:
            if not self._fill():
                return False
        return True

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; the position moves behind them."""
        if len(self.data) - self.pos < size and not self.ensure(size):
            self.fail(
                "The pickle ends in the middle of a value.",
                expected=f"{size} more bytes",
                found=f"{len(self.data) - self.pos}",
                todo="The file is truncated: fetch it again.",
            )
        start = self.pos
        self.pos = end = start + size
        return self.data[start:end]

    def _fill(self) -> bool:
        if self._exhausted:
            return False
        if self.base + len(self.data) - self._checkpoint > self._limit:
            self.fail(
                "One entry of the pickle is larger than any released record.",
                expected=f"at most {self._limit} bytes",
                found="more",
                todo="The file is not the release that it should be.",
            )
        try:
            chunk = self._stream.read(CHUNK)
        except (OSError, EOFError, ValueError) as error:
            self.fail(
                "The stream that holds the pickle cannot be read on.",
                expected="readable bytes",
                found=f"{type(error).__name__}: {error}",
                todo="The file is truncated or damaged: fetch it again.",
            )
        if not chunk:
            self._exhausted = True
            return False
        self._keep(self.data[self.pos :], self.base + self.pos, chunk)
        return True

    def _keep(self, rest: bytes, base: int, chunk: bytes) -> None:
        self.base, self.pos = base, 0
        self.data = rest + self._unframe(chunk, base + len(rest))
        self.array = np.frombuffer(self.data, np.uint8)
        self.safe = len(self.data) - LOOKAHEAD

    # ------------------------------------------------------------------ frames

    def enter_frame(self) -> None:
        """Read on behind a FRAME opcode at the position: take out this frame's successors."""
        start = self.base + self.pos - 1
        size = int.from_bytes(self.take(8), "little")
        if start < self._plain_from or self._left is not None:
            self.fail(
                "A frame of the pickle begins inside another one.",
                at=start,
                expected="frames one after the other",
                todo="The file is damaged: fetch it again.",
            )
        self._left = size
        rest = self.data[self.pos :]
        self._keep(b"", self.base + self.pos, rest)

    def finish_frame(self) -> None:
        """Read on to the end of the last frame; the pickle itself has ended."""
        while self._left:
            if not self._fill():
                self.fail(
                    "The last frame of the pickle is not whole.",
                    expected=f"{self._left} more bytes",
                    found="the end of the file",
                    todo="The file is damaged: fetch it again.",
                )

    def _unframe(self, chunk: bytes, at: int) -> bytes:
        """``chunk`` without frame headers; its first byte gets the unframed offset ``at``."""
        if self._left is None:
            return chunk
        chunk = self._header + chunk
        self._header = b""
        pieces: list[bytes] = []
        done = 0
        while done < len(chunk):
            if self._left:
                piece = chunk[done : done + self._left]
                self._left -= len(piece)
                done += len(piece)
            elif chunk[done] == FRAME:
                header = chunk[done : done + FRAME_HEADER]
                if len(header) < FRAME_HEADER:
                    self._header = header
                    break
                self._left = int.from_bytes(header[1:], "little")
                self._shifts.append((at, self._shifts[-1][1] + FRAME_HEADER))
                done += FRAME_HEADER
                continue
            else:  # what follows the last frame, or an object too large for one
                self._left = None
                self._plain_from = at
                pieces.append(chunk[done:])
                break
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)

    # ------------------------------------------------------------------ places

    @property
    def here(self) -> int:
        """The position as an unframed offset."""
        return self.base + self.pos

    def offset(self, unframed: int) -> int:
        """Offset in the stream of a byte that is still in the window or was its last."""
        return unframed + self._shifts[bisect_right(self._shifts, (unframed, 1 << 62)) - 1][1]

    def checkpoint(self, at: int) -> None:
        """An entry ends at ``at``: nothing before it will be named any more."""
        self._checkpoint = at
        del self._shifts[: bisect_right(self._shifts, (at, 1 << 62)) - 1]

    def fail(
        self,
        what: str,
        *,
        at: int | None = None,
        expected: Any = None,
        found: Any = None,
        todo: str | None = None,
    ) -> NoReturn:
        """Raise `RawDataError` with the offset of ``at`` (default: the position)."""
        offset = self.offset(self.here if at is None else at)
        place = f"{self._where}, offset {offset} of the pickle"
        raise RawDataError(what, where=place, expected=expected, found=found, todo=todo)
