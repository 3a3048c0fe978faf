"""Size and digests of files, measured and expected."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nasbase.errors import SourceError

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a file's bytes."""

    bytes: int
    sha256: str
    md5: str


class Meter:
    """Size, SHA-256 and MD5 of a stream of bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        # MD5 recognises upstream's file names; it protects nothing.
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self.size += len(chunk)
        self._sha256.update(chunk)
        self._md5.update(chunk)

    def measured(self) -> Measured:
        """What was measured so far."""
        return Measured(self.size, self._sha256.hexdigest(), self._md5.hexdigest())


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a mebibyte at a time."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def measure(path: Path) -> Measured:
    """Measure a file."""
    meter = Meter()
    for chunk in chunks(path):
        meter.update(chunk)
    return meter.measured()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file must be.

    Parameters
    ----------
    bytes, sha256, md5_suffix
        As in the sources table; None: not known.
    authority
        Who says so: the sources table or the lock file, for messages.
    todo
        What to do where the file is rightly another one.
    """

    bytes: int | None = None
    sha256: str | None = None
    md5_suffix: str | None = None
    authority: str = "the sources table"
    todo: str | None = None

    @property
    def has_digest(self) -> bool:
        """Whether the content itself can be recognised."""
        return bool(self.sha256 or self.md5_suffix)

    def check(self, measured: Measured, where: object) -> None:
        """Compare with what was measured.

        Raises
        ------
        SourceError
            With the place, what was expected and what was found.
        """
        if self.bytes is not None and measured.bytes != self.bytes:
            raise self._differs("size", f"{self.bytes} bytes", f"{measured.bytes} bytes", where)
        if self.sha256 is not None and measured.sha256 != self.sha256:
            raise self._differs("SHA-256", self.sha256, measured.sha256, where)
        if self.md5_suffix is not None and not measured.md5.endswith(self.md5_suffix):
            tail = measured.md5[-len(self.md5_suffix) :]
            raise self._differs("end of the MD5", self.md5_suffix, tail, where)

    def _differs(self, what: str, expected: str, found: str, where: object) -> SourceError:
        return SourceError(
            f"The {what} of the file is not what {self.authority} says.",
            where=where,
            expected=expected,
            found=found,
            todo=self.todo,
        )
