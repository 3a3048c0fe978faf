"""Advisory locks on files, so that no two processes write the same thing at once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.1


@contextmanager
def hold(path: Path, *, wait_s: float | None = None) -> Iterator[int]:
    """Hold the exclusive lock of a file, which is created if it is not there.

    The file may be renamed or replaced by whoever holds the lock: a process that waited for it
    looks again whether what it locked still stands at ``path``.

    Parameters
    ----------
    path
        The file to lock. It may be the data itself; no second file is needed.
    wait_s
        Seconds to wait for another holder; None waits for ever.

    Yields
    ------
    int
        A descriptor of the locked file, open for reading and writing.

    Raises
    ------
    TimeoutError
        If another process still holds the lock after ``wait_s``.
    OSError
        If the file cannot be opened for writing.
    """
    deadline = None if wait_s is None else time.monotonic() + wait_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(descriptor, path, deadline)
            if _still_there(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)  # this releases the lock


def _lock(descriptor: int, path: Path, deadline: float | None) -> None:
    if deadline is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another process holds the lock of {path}") from None
            time.sleep(_POLL_S)
        else:
            return


def _still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
