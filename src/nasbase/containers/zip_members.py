"""Members of a zip archive as streams: chosen by name, checked, never unpacked to disk."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from nasbase.errors import RawDataError

MAX_BYTES = 64 << 30
"""Default bound of one member's decompressed size."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_AGAIN = "The archive is damaged or altered: obtain the released file again."
# What `zipfile` and `zlib` raise for broken archives; OSError comes from seeks to absurd offsets.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One file inside an archive: its full name and its decompressed size."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ZipIndex:
    """The files of an archive: those whose name matches, and the names of the others."""

    matching: tuple[ZipMember, ...]
    others: tuple[str, ...]


class MemberStream:
    """Binary stream of one member; every failure to read it is a `RawDataError`.

    The CRC is checked when the end is reached, so a caller has to read to the end.
    """

    def __init__(self, stream: IO[bytes], member: ZipMember, where: str) -> None:
        self._stream = stream
        self._member = member
        self._where = where
        self._position = 0

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes (positive); empty only at the verified end of the member."""
        try:
            data = self._stream.read(size)
        except _BROKEN as error:
            self._fail(f"a readable member with the CRC that the archive states, not: {error}")
        self._position += len(data)
        if not data and self._position != self._member.bytes:
            self._fail(f"{self._member.bytes} bytes")
        return data

    def _fail(self, expected: str) -> NoReturn:
        raise RawDataError(
            "A member of a zip archive cannot be read.",
            where=f"{self._where}, decompressed byte {self._position}",
            expected=expected,
            found=f"{self._position} good bytes before it",
            todo=_AGAIN,
        )


def read_index(path: Path, pattern: re.Pattern[str], *, max_bytes: int = MAX_BYTES) -> ZipIndex:
    """List the files of an archive after checking every entry of its directory.

    Folders and what macOS adds (``__MACOSX/``, ``.DS_Store``) are left out.

    Parameters
    ----------
    path
        The archive.
    pattern
        What the full name of a wanted member has to match.
    max_bytes
        Bound of the decompressed size of one member.

    Raises
    ------
    RawDataError
        If the file is no zip archive; if a name is absolute, leads out of the archive or comes
        twice; if a member is encrypted, too large, compressed in an unusual way, or overlaps
        another.
    """
    with _opened(path) as archive:
        entries = archive.infolist()
    _check_overlap(path, entries)
    names: set[str] = set()
    matching, others = [], []
    for entry in entries:
        _check_entry(path, entry, names, max_bytes)
        names.add(entry.filename)
        if entry.is_dir() or _is_macos_junk(entry.filename):
            continue
        if pattern.fullmatch(entry.filename):
            matching.append(ZipMember(entry.filename, entry.file_size))
        else:
            others.append(entry.filename)
    return ZipIndex(tuple(matching), tuple(others))


@contextmanager
def open_member(path: Path, member: ZipMember) -> Iterator[MemberStream]:
    """Stream of one member that `read_index` has listed."""
    where = f"{path.name}, member {member.name}"
    with _opened(path) as archive:
        try:
            stream = archive.open(member.name)
        except (*_BROKEN, KeyError, RuntimeError) as error:
            raise RawDataError(
                "A member of a zip archive cannot be opened.",
                where=where,
                expected=f"a member of {member.bytes} bytes",
                found=str(error),
                todo=_AGAIN,
            ) from error
        with stream:
            yield MemberStream(stream, member, where)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise RawDataError(
            "The file is not a readable zip archive.",
            where=path,
            expected="a zip archive with an intact directory at its end",
            found=str(error),
            todo="The download may be cut short: obtain the released file again.",
        ) from error
    with archive:
        yield archive


def _is_macos_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts[:-1] or parts[-1] == ".DS_Store"


def _check_overlap(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse archives whose members share bytes: that is how small archives explode."""
    total = sum(entry.compress_size for entry in entries)
    if total > path.stat().st_size:
        raise RawDataError(
            "The members of a zip archive overlap.",
            where=path,
            expected=f"at most {path.stat().st_size} compressed bytes, the size of the file",
            found=f"{total} bytes",
            todo=_AGAIN,
        )


def _check_entry(path: Path, entry: zipfile.ZipInfo, seen: set[str], max_bytes: int) -> None:
    name = entry.filename
    unsafe = name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name)
    problems = {
        "a relative name that stays inside the archive": unsafe
        or ".." in PurePosixPath(name).parts
        or not PurePosixPath(name).parts,
        "each name once": name in seen,
        "no encryption": entry.flag_bits & _ENCRYPTED,
        "stored or deflated data": entry.compress_type not in _METHODS,
        f"at most {max_bytes} bytes": entry.file_size > max_bytes,
    }
    for expected, wrong in problems.items():
        if wrong:
            raise RawDataError(
                "A zip archive holds a member that is refused.",
                where=path,
                expected=expected,
                found=f"member {name!r}, {entry.file_size} bytes, method {entry.compress_type}, "
                f"flags {entry.flag_bits:#x}",
                todo=_AGAIN,
            )
