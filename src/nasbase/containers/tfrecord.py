"""TFRecord files, without TensorFlow.

A file is a sequence of frames, nothing else: an 8-byte little-endian length, the masked CRC-32C
of those 8 bytes, the record, the masked CRC-32C of the record. There is no header, no index and
no end mark, so a file that was cut at a frame's boundary can only be noticed by counting.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import google_crc32c
import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nasbase.errors import RawDataError

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
FRAME_BYTES = HEADER.size + FOOTER.size
"""Bytes that a frame adds to its record."""

BLOCK_BYTES = 16 << 20
MAX_RECORD_BYTES = 16 << 20

REPLACE_FILE = "Download the file again, or put a good copy into the drop-in folder."

_MASK_DELTA = 0xA282EAD8
_CRC_OF_ZERO = google_crc32c.value(bytes(8))
_ADDED_TO_CRC = [
    np.array([google_crc32c.value(bytes([*[0] * i, b, *[0] * (7 - i)])) for b in range(256)], "<u4")
    ^ np.uint32(_CRC_OF_ZERO)
    for i in range(3)
]
"""What each value of the first three bytes of a length changes in its CRC."""


def masked_crc(data: bytes) -> int:
    """CRC-32C of ``data``, rotated and shifted the way TFRecord stores it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive whole frames, held in memory.

    Attributes
    ----------
    path
        File that they come from.
    offset
        Byte of the file at which ``data`` begins.
    first_record
        Number of the first record, counted from the file's beginning.
    data
        The frames, and perhaps the beginning of the next one.
    starts, lengths
        Where in ``data`` each record begins, and its bytes; int64, one entry per record.
    """

    path: Path
    offset: int
    first_record: int
    data: bytes
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def frame_offsets(self) -> NDArray[np.int64]:
        """Byte of the file at which each frame begins."""
        return self.offset + self.starts - HEADER.size

    def where(self, index: int) -> str:
        """Place of one record of the block, for error messages."""
        position = int(self.starts[index]) - HEADER.size
        return _where(self.path, self.offset, self.first_record, position, index)

    @property
    def raw(self) -> NDArray[np.uint8]:
        """The bytes of ``data``."""
        return np.frombuffer(self.data, np.uint8)

    def windows(self, begins: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
        """``width`` bytes of ``data`` from each of ``begins`` on, as an array (begins, width).

        A window that would reach over the end is moved to where it fits: look at ``lengths``.
        """
        data = self.raw
        if width > len(data):
            data = np.append(data, np.zeros(width - len(data), np.uint8))
        return sliding_window_view(data, width)[np.minimum(begins, len(data) - width)]

    def stands(self, text: bytes, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether ``text`` stands at each of some places in ``data``."""
        found = np.ones(len(places), bool)
        for offset, byte in enumerate(text):
            found &= self.raw.take(places + offset, mode="clip") == byte
        return found

    def texts(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.BinaryArray:
        """Pieces of ``data``, in order and without overlap, as an Arrow array.

        What lies between two pieces is a piece, too, for a moment: Arrow then copies every second
        one, and nothing is done for a single text in Python.
        """
        offsets = np.column_stack([begins, ends]).astype(np.int32).ravel()
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.data)]
        pieces = pa.Array.from_buffers(pa.binary(), max(0, len(offsets) - 1), buffers)
        return pieces.take(pa.array(np.arange(0, len(offsets), 2)))

    def payload(self, index: int) -> bytes:
        """One record."""
        start = int(self.starts[index])
        return self.data[start : start + int(self.lengths[index])]

    def verify(self) -> None:
        """Compare every record with its CRC.

        Raises
        ------
        RawDataError
            If a record does not have the checksum that is stored behind it.
        """
        value, data = google_crc32c.value, self.data
        ends = self.starts + self.lengths
        bounds = zip(self.starts.tolist(), ends.tolist(), strict=True)
        crcs = np.array([value(data[start:end]) for start, end in bounds], np.uint32)
        found = _masked(crcs)
        stored = _numbers(self.raw, ends)
        wrong = np.flatnonzero(found != stored)
        if wrong.size:
            first = int(wrong[0])
            raise RawDataError(
                "A record does not have the checksum that is stored behind it.",
                where=self.where(first),
                expected=f"masked CRC-32C {stored[first]:#010x}",
                found=f"{found[first]:#010x}",
                todo=REPLACE_FILE,
            )


def read_blocks(
    path: Path,
    start: int = 0,
    end: int | None = None,
    *,
    first_record: int = 0,
    block_bytes: int = BLOCK_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Iterator[Block]:
    """Read the frames of a range of a file, block by block.

    Lengths and their checksums are verified here; the records' own checksums are verified by
    `Block.verify`, so that a scan for places need not touch every byte.

    Parameters
    ----------
    path
        A TFRecord file without compression.
    start, end
        Range in bytes; both must be boundaries of frames. Default: the whole file.
    first_record
        Number of the record at ``start``, for messages.
    block_bytes
        Bytes to read at once; a block holds as many whole frames as fit, at least one.
    max_record_bytes
        Longest record that is accepted.

    Raises
    ------
    RawDataError
        If a length has a wrong checksum or is absurd, or if the range ends inside a frame.
    """
    size = path.stat().st_size
    end = size if end is None else end
    if not 0 <= start <= end <= size:
        raise RawDataError(
            "The range to read does not lie inside the file.",
            where=path,
            expected=f"0 <= start <= end <= {size}",
            found=f"start {start}, end {end}",
            todo=REPLACE_FILE,
        )
    # Records of one release share few lengths, so a header that was once found good is looked up.
    known: dict[bytes, int] = {}
    offset, record, size = start, first_record, block_bytes
    with path.open("rb") as file:
        while offset < end:
            file.seek(offset)
            asked = min(size, end - offset)
            data = file.read(asked)
            where = partial(_where, path, offset, record)
            edges = _chain(data, max_record_bytes)
            if edges is None:
                edges = _walk(data, known, where, max_record_bytes)
            whole = int(edges[-1])
            last = len(data) < asked or offset + asked == end  # less comes from a file that shrank
            if not data or (last and whole < len(data)):
                raise _cut(where(whole, len(edges) - 1), data[whole:])
            if whole:
                starts, lengths = edges[:-1] + HEADER.size, np.diff(edges) - FRAME_BYTES
                yield Block(path, offset, record, data, starts, lengths)
            # What is left of a frame is read again, with more of it if it fills a block.
            size = block_bytes if whole else 2 * size
            offset, record = offset + whole, record + len(edges) - 1


def encode_frames(payloads: Iterable[bytes]) -> bytes:
    """Frame records, one after the other."""
    headers: dict[int, bytes] = {}
    parts: list[bytes] = []
    for payload in payloads:
        length = len(payload)
        if length not in headers:
            prefix = struct.pack("<Q", length)
            headers[length] = prefix + FOOTER.pack(masked_crc(prefix))
        parts += (headers[length], payload, FOOTER.pack(masked_crc(payload)))
    return b"".join(parts)


def located(error: RawDataError, place: str) -> RawDataError:
    """The same error with its place in the file, for parsers that know nothing of files."""
    return RawDataError(
        error.what,
        where=place if error.where is None else f"{place}, {error.where}",
        expected=error.expected,
        found=error.found,
        todo=error.todo or REPLACE_FILE,
    )


def _chain(data: bytes, max_bytes: int) -> NDArray[np.int64] | None:
    """What `_walk` finds, looked for everywhere at once; None where only a walk can tell.

    A length below 2**24 ends with five zero bytes, which records of text do not hold. What stands
    before them is a header if its checksum is right; and the headers have to be one chain.
    """
    raw = np.frombuffer(data, np.uint8)
    heads = _five_zeros(raw) - 3
    heads = heads[(heads >= 0) & (heads <= len(raw) - HEADER.size)]
    lengths, stored = _numbers(raw, heads), _numbers(raw, heads + 8)
    right = _masked(_crcs(lengths)) == stored
    heads, lengths = heads[right], lengths[right].astype(np.int64)
    edges = np.append(heads, (heads + lengths + FRAME_BYTES)[-1:])
    chained = len(heads) and heads[0] == 0 and np.array_equal(np.diff(edges), lengths + FRAME_BYTES)
    unseen = len(raw) - edges[-1:] >= HEADER.size  # a header like no other
    if not chained or unseen.any() or lengths.max() > max_bytes:
        return None
    return edges if edges[-1] <= len(raw) else edges[:-1]


def _five_zeros(raw: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where five zero bytes begin, in order.

    Among five bytes are two whole pairs, and half as many pairs as bytes have to be looked at.
    """
    pairs = np.flatnonzero(raw[: len(raw) & ~1].view("<u2") == 0)
    fours = 2 * pairs[:-1][np.diff(pairs) == 1]
    fifth = [raw.take(fours + place, mode="clip") == 0 for place in (-1, 4)]
    return (fours[:, None] + [-1, 0])[np.column_stack(fifth)]


def _numbers(raw: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The four bytes at each place as a little-endian number."""
    numbers = np.zeros(len(places), np.uint32)
    for byte in range(4):
        numbers |= raw.take(places + byte, mode="clip").astype(np.uint32) << np.uint32(8 * byte)
    return numbers


def _crcs(lengths: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """CRC-32C of lengths below 2**24, as eight bytes.

    CRCs are linear: that of a length is the exclusive or of what each of its bytes adds.
    """
    crcs = np.full(len(lengths), _CRC_OF_ZERO, np.uint32)
    for byte, added in enumerate(_ADDED_TO_CRC):
        crcs ^= added.take(lengths >> np.uint32(8 * byte) & np.uint32(255))
    return crcs


def _masked(crcs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (crcs >> np.uint32(15) | crcs << np.uint32(17)) + np.uint32(_MASK_DELTA)


def _walk(
    data: bytes, known: dict[bytes, int], where: Callable[[int, int], str], max_bytes: int
) -> NDArray[np.int64]:
    """Boundaries of the whole frames in ``data``; the last one is where the rest begins.

    ``where`` says where a frame stands, by its position and its number in ``data``.
    """
    position, limit = 0, len(data)
    bounds = [0]
    while True:
        header = data[position : position + HEADER.size]
        frame = known.get(header)
        if frame is None:
            if len(header) < HEADER.size:
                break
            place = where(position, len(bounds) - 1)
            frame = known[header] = _check_header(header, place, max_bytes)
        position += frame
        if position > limit:
            break
        bounds.append(position)
    return np.array(bounds, np.int64)


def _check_header(header: bytes, place: str, max_bytes: int) -> int:
    """Bytes of the whole frame that ``header`` opens."""
    length, stored = HEADER.unpack(header)
    found = masked_crc(header[:8])
    if found != stored:
        raise RawDataError(
            "The length of a record does not have the checksum that is stored behind it.",
            where=place,
            expected=f"masked CRC-32C {stored:#010x} of a length",
            found=f"{found:#010x} of length {length}",
            todo=f"{REPLACE_FILE} A page of HTML in place of the file looks like this, too.",
        )
    if length > max_bytes:
        raise RawDataError(
            "A record claims an absurd length.",
            where=place,
            expected=f"at most {max_bytes} bytes",
            found=f"{length} bytes",
            todo=REPLACE_FILE,
        )
    return length + FRAME_BYTES


def _cut(place: str, rest: bytes) -> RawDataError:
    if len(rest) < HEADER.size:
        expected = f"{HEADER.size} bytes of length and checksum"
    else:
        expected = f"a frame of {HEADER.unpack(rest[: HEADER.size])[0] + FRAME_BYTES} bytes"
    return RawDataError(
        "The file ends inside a record.",
        where=place,
        expected=expected,
        found=f"{len(rest)} bytes",
        todo=REPLACE_FILE,
    )


def _where(path: Path, offset: int, record: int, position: int, index: int) -> str:
    return f"{path}, byte {offset + position}, record {record + index}"
