"""The two containers of ``torch.save``, without PyTorch: where the pickled object stands.

Before PyTorch 1.6 a file was a row of pickles: a magic number, the protocol, facts about the
system, the object, the keys of the tensors' storages, and the storages. Since then it is a zip
archive of uncompressed members, the object in ``<name>/data.pkl``.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, cast

from nasbase.errors import RawDataError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SYSTEM = {
    "protocol_version": PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
HEAD_BYTES = 4096
"""Bytes of which the three small pickles before a legacy file's object take some 120."""

TAIL_BYTES = 1 << 24
"""Most bytes of a legacy file's list of storage keys."""

MAX_MEMBERS = 1_000_000
ALIGNMENT = 64
ZIP_HEADER = struct.Struct("<4s5H3I2H")

_FETCH_AGAIN = "Fetch the file again and compare its digest with the published one."


@dataclass(frozen=True, slots=True)
class ObjectPickle:
    """Where the pickled object of a torch file stands.

    Attributes
    ----------
    path
        The file.
    container
        ``legacy`` or ``zip``.
    offset
        First byte of the pickle in the file.
    size
        Bytes of the pickle; None in a legacy file, where only reading the pickle tells.
    """

    path: Path
    container: Literal["legacy", "zip"]
    offset: int
    size: int | None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The pickle as a stream; of a legacy file, what follows it too."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            yield cast("BinaryIO", _Section(file, self.size))

    def check_end(self, size: int) -> None:
        """Compare what follows the pickle with its container.

        Parameters
        ----------
        size
            Bytes of the pickle, as reading it told.

        Raises
        ------
        RawDataError
            If a zip member goes on behind the pickle, or a legacy file has no list of storage keys.
        """
        if self.size is None:
            self._check_storage_keys(size)
        elif size != self.size:
            _fail(
                "A torch file's member holds more than its pickle.",
                f"{self.path.name}, data.pkl",
                f"{self.size} bytes of pickle",
                f"{size} bytes",
            )

    def _check_storage_keys(self, size: int) -> None:
        end = self.offset + size
        where = f"{self.path.name}, offset {end}"
        with self.path.open("rb") as file:
            file.seek(end)
            tail = io.BytesIO(file.read(TAIL_BYTES))
            keys = _load_plain(tail, where, "the list of storage keys")
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                _fail("A torch file has no list of storage keys.", where, "list of str", repr(keys))
            rest = os.fstat(file.fileno()).st_size - end - tail.tell()
        if not keys and rest:
            _fail(
                "Something follows the end of a torch file.", where, "the end of the file",
                f"{rest} bytes more",
            )  # fmt: skip


def locate(path: Path) -> ObjectPickle:
    """Find the pickled object of a torch file.

    Raises
    ------
    RawDataError
        If the file is in neither container; a web page that came in its place is named as such.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PK"):
        offset, size = _zip_object(path)
        return ObjectPickle(path, "zip", offset, size)
    if head[:1] == b"\x80":
        return ObjectPickle(path, "legacy", _legacy_object(path.name, head), None)
    if head.lstrip()[:15].lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        _fail(
            "A web page came in place of a torch file.", path.name, "a file of torch.save",
            repr(head[:60]),
            "The download was refused or has run into a quota: try again later, or fetch the file "
            "by hand and put it into the dropin folder.",
        )  # fmt: skip
    return _fail(
        "This is no file of torch.save.",
        f"{path.name}, offset 0",
        "a pickle (80 hex) or a zip archive (PK)",
        head[:16].hex(" ") or "an empty file",
    )


# ---------------------------------------------------------------------------------------------
# legacy


class _PlainUnpickler(pickle.Unpickler):
    """Numbers, strings, lists and dicts; no name at all."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the name {module}.{name}")


def _load_plain(data: BinaryIO, where: str, expected: str) -> Any:
    try:
        return _PlainUnpickler(data).load()
    except Exception as error:  # hostile bytes make an unpickler raise anything
        return _fail(
            "A torch file is damaged.", where, expected, f"{type(error).__name__}: {error}"
        )


def _legacy_object(name: str, head: bytes) -> int:
    data = io.BytesIO(head)
    expected = [
        ("the magic number of torch.save", MAGIC),
        ("the protocol of torch.save", PROTOCOL),
    ]
    for meaning, number in expected:
        where = f"{name}, offset {data.tell()}"
        found = _load_plain(data, where, meaning)
        if type(found) is not int or found != number:
            _fail(f"A torch file does not have {meaning}.", where, number, repr(found)[:200])
    where = f"{name}, offset {data.tell()}"
    system = _load_plain(data, where, "facts about the system")
    if not isinstance(system, dict) or not system.get("little_endian", False):
        _fail("A torch file is not little-endian.", where, SYSTEM, repr(system)[:200])
    return data.tell()


# ---------------------------------------------------------------------------------------------
# zip


def _zip_object(path: Path) -> tuple[int, int]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                _fail("A torch file has too many members.", path.name, MAX_MEMBERS, len(members))
            info = _data_member(path, members)
            _check_byte_order(path, archive, info.filename.removesuffix("data.pkl"))
    except (
        zipfile.BadZipFile,
        struct.error,
        ValueError,
        OSError,
        EOFError,
        NotImplementedError,
    ) as error:
        _fail("A torch file is no whole zip archive.", path.name, "a zip archive", error)
    with path.open("rb") as file:
        return _data_offset(file, path, info), info.file_size


def _data_member(path: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    found = [info for info in members if info.filename.split("/")[1:] == ["data.pkl"]]
    if len(found) != 1:
        names = [info.filename for info in found or members[:5]]
        _fail("A torch file has no object, or several.", path.name, "one <name>/data.pkl", names)
    info = found[0]
    where = f"{path.name}, {info.filename}"
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    if not stored or info.flag_bits & 0x1:
        _fail(
            "A torch file's object is compressed or encrypted.", where, "bytes as they are",
            f"method {info.compress_type}, flags {info.flag_bits:#x}",
        )  # fmt: skip
    return info


def _check_byte_order(path: Path, archive: zipfile.ZipFile, folder: str) -> None:
    name = f"{folder}byteorder"
    if name not in archive.namelist():  # older files do without
        return
    if archive.getinfo(name).file_size > 16:
        _fail("A torch file's byte order is not a word.", f"{path.name}, {name}", "little", "more")
    order = archive.read(name)
    if order.strip() != b"little":
        _fail("A torch file is not little-endian.", f"{path.name}, {name}", b"little", order)


def _data_offset(file: BinaryIO, path: Path, info: zipfile.ZipInfo) -> int:
    """First byte of a member's data: the local header may have another length than the central."""
    file.seek(info.header_offset)
    header = file.read(ZIP_HEADER.size)
    where = f"{path.name}, offset {info.header_offset}"
    if len(header) < ZIP_HEADER.size or not header.startswith(b"PK\x03\x04"):
        _fail("A torch file's member has no header.", where, "PK 03 04", header[:4].hex(" "))
    *_, name_size, extra_size = ZIP_HEADER.unpack(header)
    name = file.read(name_size)
    if name != info.filename.encode():
        _fail("A torch file's member has two names.", where, info.filename, repr(name)[:200])
    offset = info.header_offset + ZIP_HEADER.size + name_size + extra_size
    end = os.fstat(file.fileno()).st_size
    if offset + info.file_size > end:
        _fail("A torch file's member goes beyond its end.", where, f"at most {end}", info.file_size)
    return offset


class _Section(io.RawIOBase):
    """The next ``size`` bytes of a file, or all that follow."""

    def __init__(self, file: io.RawIOBase, size: int | None) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as the section goes."""
        view = memoryview(buffer)
        if self._left is not None:
            view = view[: self._left]
        count = self._file.readinto(view) if len(view) else 0
        if self._left is not None:
            self._left -= count
        return count


# ---------------------------------------------------------------------------------------------
# writing


def write_legacy(out: BinaryIO, object_pickle: Iterable[bytes]) -> None:
    """Write a legacy torch file without tensors around a pickled object."""
    for head in (MAGIC, PROTOCOL, SYSTEM):
        out.write(pickle.dumps(head, 2))
    for chunk in object_pickle:
        out.write(chunk)
    out.write(pickle.dumps([], 2))  # keys of no storages


def write_zip(out: BinaryIO, object_pickle: Iterable[bytes], name: str = "archive") -> None:
    """Write a zip torch file without tensors around a pickled object.

    Members are aligned to 64 bytes as PyTorch does; their times are fixed, so that the same object
    gives the same bytes. ``out`` must seek.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        _write_member(archive, f"{name}/data.pkl", object_pickle, large=True)
        for member, content in (
            (".format_version", b"1"),
            (".storage_alignment", b"64"),
            ("byteorder", b"little"),
            ("version", b"3\n"),
            (".data/serialization_id", b"0" * 40),
        ):
            _write_member(archive, f"{name}/{member}", [content], large=False)


def _write_member(
    archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes], *, large: bool
) -> None:
    info = zipfile.ZipInfo(name)
    zip64 = 20 if large else 0  # bytes of the extra field in which zipfile keeps large sizes
    start = archive.fp.tell() + ZIP_HEADER.size + len(name) + zip64 + 4  # type: ignore[union-attr]
    padding = -start % ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    with archive.open(info, "w", force_zip64=large) as member:
        for chunk in chunks:
            member.write(chunk)


def _fail(
    what: str, where: str, expected: object, found: object, todo: str = _FETCH_AGAIN
) -> NoReturn:
    raise RawDataError(what, where=where, expected=expected, found=found, todo=todo)
