"""Files and folders that appear under their final name only when they are whole.

A job that is killed leaves at most a temporary name behind, and a job that runs twice at once
(an orphan of a killed parent, and its successor) cannot mix its bytes with the other's: every
writer has a temporary name of its own beside the final one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that replaces it when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that replaces it when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Put the folder ``new`` in the place of ``path``; who reads ``path`` finds a whole folder.

    The old folder is removed afterwards; files that a reader has open stay readable.
    """
    if not path.exists():
        try:
            new.rename(path)
        except OSError as error:  # another job was faster: exchange instead
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
    _exchange(new, path)
    shutil.rmtree(new)


def _exchange(first: Path, second: Path) -> None:
    """Swap two folders in one step where the system can, else in two renames."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        paths = os.fsencode(first), os.fsencode(second)
        if libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        # Some file systems (NFS, overlays) know the call but not the exchange.
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(second))
    aside = Path(tempfile.mkdtemp(prefix=f".{second.name}.", suffix=".old", dir=second.parent))
    second.rename(aside / "old")
    first.rename(second)
    (aside / "old").rename(first)
    aside.rmdir()
