"""Free disk, checked before it is needed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nasbase.errors import DiskSpaceError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def human(size: int) -> str:
    """A size for people: ``4.7 GB (4,700,000,000 bytes)``."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB", "EB"):
        if value < 1000 or unit == "EB":
            break
        value /= 1000
    return f"{size:,} bytes" if unit == "bytes" else f"{value:.3g} {unit} ({size:,} bytes)"


def check_free_disk(
    folder: Path, needs: Mapping[str, int], *, purpose: str, todo: str | None = None
) -> None:
    """Make sure that the disk of a folder has room for what comes next.

    Parameters
    ----------
    folder
        Where it will be written; need not exist yet.
    needs
        Benchmark -> bytes.
    purpose
        What the room is for: ``downloading nb101 full``.
    todo
        What to do about it, beyond making room.

    Raises
    ------
    DiskSpaceError
        With the bytes needed per benchmark, the free bytes and the folder.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    total = sum(needs.values())
    if total <= free:
        return
    each = ", ".join(f"{name} {human(size)}" for name, size in needs.items())
    raise DiskSpaceError(
        f"There is not enough free disk for {purpose}.",
        where=folder,
        expected=f"{human(total)} free" + (f": {each}" if len(needs) > 1 else f" for {each}"),
        found=f"{human(free)} free, {human(total - free)} short",
        todo=todo
        or "Make room, build fewer benchmarks at once, or work on another disk "
        "(snakemake --directory).",
    )


@contextmanager
def full_disk_is_an_error_of_ours(folder: Path, purpose: str) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into `DiskSpaceError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskSpaceError(
            f"The disk became full while {purpose}.",
            where=folder,
            found=error.strerror,
            todo="Make room and run again; what is there already is kept.",
        ) from error
