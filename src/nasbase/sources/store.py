"""The store: every downloaded byte once, under its SHA-256.

Files in it are complete, verified and read-only. What is still on its way stands in ``.partial``
and is renamed into the store only when its digest is known.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from nasbase.errors import SourceError
from nasbase.sources.digest import Measured, Meter, chunks, measure
from nasbase.sources.disk import full_disk_is_an_error_of_ours
from nasbase.sources.locking import hold

Check = Callable[[Measured], None]
"""Raises if a file is not what it should be."""

_NO_HARD_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK)


class Store:
    """A folder of files named by their SHA-256.

    Parameters
    ----------
    folder
        ``resources/store``; created when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def partial(self) -> Path:
        """Folder for what is on its way; created."""
        folder = self.folder / ".partial"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, sha256: str) -> Path:
        """Where a file stands or would stand."""
        return self.folder / sha256

    def has(self, sha256: str) -> bool:
        """Whether the store has a file; `verify` says whether it is still whole."""
        return self.path(sha256).is_file()

    def verify(self, sha256: str) -> Measured:
        """Measure a stored file again.

        Raises
        ------
        SourceError
            If its bytes are no longer those of its name. It has then been set aside as
            ``<sha256>.damaged``, so that the file can be obtained again.
        """
        path = self.path(sha256)
        measured = measure(path)
        if measured.sha256 != sha256:
            aside = path.with_name(f"{sha256}.damaged")
            path.replace(aside)
            raise SourceError(
                "A stored file has been damaged.",
                where=path,
                expected=f"SHA-256 {sha256}",
                found=f"SHA-256 {measured.sha256}",
                todo=f"It was set aside as {aside}; delete that file and check the disk.",
            )
        return measured

    def add(self, source: Path, check: Check) -> Measured:
        """Copy a file into the store; the file itself is left alone, never linked.

        ``check`` is asked before the copy gets its final name: a wrong file never ends up in
        the store.
        """
        copy = self.partial / f"{source.name}.copy"
        meter = Meter()
        with hold(copy) as descriptor:
            try:
                with (
                    full_disk_is_an_error_of_ours(self.folder, f"copying {source}"),
                    os.fdopen(descriptor, "wb", closefd=False) as out,
                ):
                    out.truncate(0)  # what a copy that was killed has left
                    for chunk in chunks(source):
                        out.write(chunk)
                        meter.update(chunk)
                measured = meter.measured()
                check(measured)
                self.adopt(copy, measured)
            finally:
                copy.unlink(missing_ok=True)
        return measured

    def adopt(self, path: Path, measured: Measured) -> None:
        """Take over a measured and verified file that stands in ``.partial``."""
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.chmod(0o444)
        path.replace(self.path(measured.sha256))
        _sync_folder(self.folder)

    def link(self, sha256: str, dest: Path) -> None:
        """Give a stored file a second name; a copy where the disk has no hard links.

        ``dest`` is replaced in one rename, unless it is that very file already.
        """
        source = self.path(sha256)
        if dest.exists() and dest.samefile(source):
            return
        dest.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=dest.parent, prefix=".link-"))
        try:
            temporary = folder / dest.name
            try:
                os.link(source, temporary)
            except OSError as error:
                if error.errno not in _NO_HARD_LINK:
                    raise
                with full_disk_is_an_error_of_ours(dest.parent, f"copying {dest.name}"):
                    shutil.copyfile(source, temporary)
                temporary.chmod(0o444)
            temporary.replace(dest)
        finally:
            shutil.rmtree(folder)


def _sync_folder(folder: Path) -> None:
    """Make a rename last; not every file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)
