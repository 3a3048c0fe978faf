"""A file on its way: what is there already, and what it is a part of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasbase.errors import SourceError
from nasbase.sources.digest import Measured, Meter, chunks
from nasbase.sources.disk import full_disk_is_an_error_of_ours
from nasbase.sources.locking import hold
from nasbase.staging import staged_file


class Partial:
    """The bytes of one url that have arrived so far, measured as they arrive.

    Attributes
    ----------
    total
        Size of the whole file, as the server announced it.
    validator
        ETag or date of the version that the bytes belong to.
    spliced
        Whether the bytes come from more than one answer.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.total: int | None = None
        self.validator: str | None = None
        self.spliced = False
        self._out = os.fdopen(descriptor, "r+b", closefd=False)
        self._about = path.with_name(f"{path.name}.json")
        self._meter = Meter()
        self._take_up()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._meter.size

    @property
    def resumable(self) -> bool:
        """Whether a later answer can be recognised as the rest of the same file."""
        return self.validator is not None or self.total is not None

    def begin(self, total: int | None, validator: str | None) -> None:
        """Start from zero with a new version of the file."""
        self._out.seek(0)
        self._out.truncate()
        self._meter = Meter()
        self.total, self.validator, self.spliced = total, validator, False
        about = {"total": total, "validator": validator}
        with staged_file(self._about) as temporary:
            temporary.write_text(json.dumps(about), encoding="utf-8")

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        with full_disk_is_an_error_of_ours(self.path.parent, f"downloading {self.path.name}"):
            self._out.write(chunk)
        self._meter.update(chunk)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        with full_disk_is_an_error_of_ours(self.path.parent, f"downloading {self.path.name}"):
            self._out.flush()

    def measured(self) -> Measured:
        """Size and digests of what is there."""
        self.flush()
        return self._meter.measured()

    def close(self) -> None:
        """Keep what has arrived for a later run; leave nothing if nothing has, or it was taken."""
        if self.path.exists():
            if self.size:
                self.flush()
                return
            self.path.unlink()
        self._about.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Measure again what an earlier run has left; without its description it is worthless."""
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
            self.total, self.validator = about["total"], about["validator"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            self._out.truncate(0)
            return
        for chunk in chunks(self.path):
            self._meter.update(chunk)
        self._out.seek(self.size)
        self.spliced = self.size > 0


@contextmanager
def partial(path: Path, *, wait_s: float) -> Iterator[Partial]:
    """Open a partial file for this process alone.

    Raises
    ------
    SourceError
        If another process is writing it: a job that was left behind, for example.
    """
    try:
        with hold(path, wait_s=wait_s) as descriptor:
            part = Partial(path, descriptor)
            try:
                yield part
            finally:
                part.close()
    except TimeoutError as error:
        raise SourceError(
            "Another process is downloading this file.",
            where=path,
            found=f"its lock was still held after {wait_s:g} s",
            todo="Wait until it has finished, or end it (it may be a job that was left behind), "
            "and run again.",
        ) from error
