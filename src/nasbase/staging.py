"""Files and folders that appear under their final name only when they are whole.

A job that is killed leaves at most a temporary name behind, and a job that runs twice at once
(an orphan of a killed parent, and its successor) cannot mix its bytes with the other's: every
writer has a temporary name of its own, beside the final one or in the job's own scratch.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100

SCRATCH_FACTOR = 10
"""Bytes of scratch that a form may need per byte of its Parquet tables: a file of up to 6 times
their size was seen, and SQLite sorts its indexes in the same folder."""

logger = logging.getLogger(__name__)


@contextmanager
def staged_file(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Give a temporary name that replaces ``path`` when the block ends well.

    Parameters
    ----------
    path
        The final name.
    scratch
        Folder in which the temporary name lies, on a disk of the job's own; beside ``path`` if
        None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_name(path, scratch or path.parent) as temporary:
        yield temporary
        temporary.chmod(0o644)
        try:
            temporary.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # Moving to another file system is copying: under a temporary name once more.
            with staged_file(path) as beside:
                shutil.copyfile(temporary, beside)


@contextmanager
def _temporary_name(path: Path, folder: Path) -> Iterator[Path]:
    """An empty file in ``folder``, which is removed in the end if it is still there."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=folder)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def job_scratch(tables: Path) -> Path | None:
    """Folder of its own in which a batch job writes a form of the build with these tables.

    A database written straight to a network file system is slow, and some refuse its locks. A job
    of Slurm has a disk of the node: ``$SLURM_TMPDIR`` where the site sets it, else the folder for
    temporary files, which Snakemake sets from the resource ``tmpdir``.

    Returns
    -------
    Path or None
        None outside of a Slurm job, where the folder for temporary files may well be memory, and
        where the scratch is too small: the form is then written beside its final name.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return None
    scratch = Path(os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir())
    needed = SCRATCH_FACTOR * sum(path.stat().st_size for path in tables.iterdir())
    free = shutil.disk_usage(scratch).free
    if free < needed:
        logger.warning(
            "The job's scratch %s has %s bytes free and %s may be needed: not used.",
            scratch,
            f"{free:,}",
            f"{needed:,}",
        )
        return None
    logger.info("Writing in the job's scratch %s.", scratch)
    return scratch


def link_or_copy(source: Path, target: Path) -> None:
    """Hard link, or copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


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
