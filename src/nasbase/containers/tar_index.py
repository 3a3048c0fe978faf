"""Plain tar archives of many small files: found once, read by position, never unpacked."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from nasbase.errors import RawDataError

BLOCK = 512
_REPLACE_FILE = "Compare the file's digest with the published one and fetch it again."


class Member(NamedTuple):
    """A regular file inside a tar: its name without the archive's folder, and where it lies."""

    name: str
    offset: int
    size: int


def index_tar(path: Path, pattern: re.Pattern[str]) -> list[Member]:
    """Find the members of an uncompressed tar.

    Parameters
    ----------
    path
        The tar. Its members lie in one folder, or in none.
    pattern
        What every member's name matches in full, the folder left out; hidden files
        (``._000000.pickle.pbz2`` of macOS) are passed over.

    Returns
    -------
    list of Member
        In the order of the archive.

    Raises
    ------
    RawDataError
        If the file is no whole plain tar, or holds links, devices, sparse files, paths that lead
        elsewhere, files that do not match, two files of one name, or more than one folder.
    """
    found: dict[str, Member] = {}
    folders: set[str] = set()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        end = 0
        for entry in _entries(file, path):
            folder, name = _place(entry, path)
            end = max(end, entry.offset_data + (0 if entry.isdir() else _padded(entry.size)))
            if entry.isdir():
                continue
            if name.startswith("."):
                continue
            if not pattern.fullmatch(name):
                _fail(
                    "A tar holds a file that does not belong into it.", path, entry, pattern.pattern
                )
            if name in found:
                _fail("A tar holds a file twice.", path, entry, "each name once")
            folders.add(folder)
            if len(folders) > 1:
                _fail("A tar holds more than one folder.", path, entry, sorted(folders)[0])
            found[name] = Member(name, entry.offset_data, entry.size)
        _check_end(file, path, end, size)
    return list(found.values())


def read_member(descriptor: int, offset: int, size: int, *, where: object) -> bytes:
    """Bytes of one member of an open tar; any number of threads may share ``descriptor``.

    Raises
    ------
    RawDataError
        If the file ends before the member does.
    """
    data = os.pread(descriptor, size, offset)
    while 0 < len(data) < size and (
        more := os.pread(descriptor, size - len(data), offset + len(data))
    ):
        data += more
    if len(data) != size:
        raise RawDataError(
            "A tar ends inside a member.",
            where=f"{where}, byte {offset}",
            expected=f"{size} bytes",
            found=f"{len(data)} bytes",
            todo=_REPLACE_FILE,
        )
    return data


def _entries(file: BinaryIO, path: Path) -> Sequence[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return archive.getmembers()
    except (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError) as error:
        raise RawDataError(
            "A file is not a whole, uncompressed tar.",
            where=path.name,
            expected="a plain tar",
            found=f"{type(error).__name__}: {error}",
            todo=_REPLACE_FILE,
        ) from error


def _place(entry: tarfile.TarInfo, path: Path) -> tuple[str, str]:
    """Folder and name of an entry, if it is a plain file or folder inside the archive."""
    parts = entry.name.split("/")
    parts = parts[1:] if parts[0] == "." and len(parts) > 1 else parts  # tar -C folder -cf x .
    if entry.name.startswith("/") or ".." in parts or "" in parts or "\0" in entry.name:
        _fail("A tar holds a path that leads elsewhere.", path, entry, "<folder>/<file>")
    plain = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and entry.sparse is None
    if not (plain or entry.isdir()):
        _fail("A tar holds something else than files.", path, entry, "regular files")
    return "/".join(parts[:-1]), parts[-1]


def _check_end(file: BinaryIO, path: Path, end: int, size: int) -> None:
    # tarfile takes a damaged header for the end of the archive: only zeros may follow the members.
    file.seek(end)
    rest = file.read(BLOCK)
    at = end
    if len(rest) == BLOCK:
        while rest and not rest.strip(b"\0"):
            at += len(rest)
            rest = file.read(1 << 20)
        if not rest:
            return
    raise RawDataError(
        "A tar does not end where its members end.",
        where=f"{path.name}, byte {at} of {size}",
        expected="a block of zeros and nothing after it",
        found="the end of the file" if not rest else "other bytes",
        todo=_REPLACE_FILE,
    )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _fail(what: str, path: Path, entry: tarfile.TarInfo, expected: str) -> NoReturn:
    raise RawDataError(
        what,
        where=f"{path.name}, byte {entry.offset}",
        expected=expected,
        found=repr(entry.name)[:200],
        todo=_REPLACE_FILE,
    )


# ---------------------------------------------------------------------------------------------
# writing


def add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Append a file to a tar; nothing but its name and bytes is recorded."""
    archive.addfile(_plain_info(name, len(data)), BytesIO(data))


def new_tar(path: Path) -> tarfile.TarFile:
    """A new tar in the plainest format."""
    return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)


def _plain_info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def pack_directory(folder: Path, out: Path, pattern: re.Pattern[str]) -> None:
    """Pack the files of a directory into a tar whose bytes depend on names and contents alone.

    Parameters
    ----------
    folder
        The directory; its name becomes the archive's folder.
    out
        The tar to write.
    pattern
        What every file's name matches in full; hidden files are left out.

    Raises
    ------
    RawDataError
        If the directory holds anything else, or nothing.
    """
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    strange = [n for n in names if not pattern.fullmatch(n) or not (folder / n).is_file()]
    if strange or not names:
        raise RawDataError(
            "A directory does not hold what its release holds.",
            where=folder,
            expected=f"files named {pattern.pattern}",
            found=", ".join(strange[:5]) + (f" and {len(strange) - 5} more" if strange[5:] else "")
            or "no files",
            todo="Move other files elsewhere.",
        )
    with new_tar(out) as archive:
        for name in names:
            with (folder / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                archive.addfile(_plain_info(f"{folder.name}/{name}", size), file)
