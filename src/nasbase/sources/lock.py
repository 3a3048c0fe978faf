"""The lock file: digests that nobody published, recorded at first sight and enforced from then on.

It stands beside the sources table as ``<stem>.lock.yaml`` and is meant to be committed::

    nds:
      '1':
        data.zip: {bytes: 123, md5: ..., sha256: ..., url: 'https://...'}
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from nasbase.errors import ConfigError, SourceError
from nasbase.sources.digest import Measured
from nasbase.sources.locking import hold
from nasbase.sources.schema import load_yaml
from nasbase.staging import staged_file

_HEADER = """\
# Digests of upstream files for which nobody published one, recorded when the file was first seen
# and enforced from then on. Written by the fetch step; commit it. To accept a changed upstream
# file, delete its entry here or pin the new digest in the sources table.
"""

_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen of one file; ``url`` is the place it came from, or ``drop-in``."""

    sha256: str
    bytes: int
    md5: str
    url: str


class Lock:
    """The lock file of one sources table.

    Parameters
    ----------
    table
        Path of the sources table.
    """

    def __init__(self, table: Path) -> None:
        self.path = table.with_name(f"{table.stem}.lock.yaml")

    def get(self, benchmark: str, release: str, name: str) -> Entry | None:
        """What was recorded of a file, or None.

        Raises
        ------
        ConfigError
            If the lock file is damaged.
        """
        entry = self._read().get(benchmark, {}).get(release, {}).get(name)
        return None if entry is None else self._entry(entry, f"{benchmark}/{release}/{name}")

    def record(self, benchmark: str, release: str, name: str, seen: Measured, url: str) -> None:
        """Record a file at first sight; later, check that it is still the same.

        Safe against other processes that record other files at the same time.

        Raises
        ------
        SourceError
            If another digest was recorded before, or the file cannot be written.
        """
        known = self.get(benchmark, release, name)
        if known is None:
            try:
                known = self._add(benchmark, release, name, seen, url)
            except OSError as error:
                raise SourceError(
                    f"The digest of {name} cannot be recorded.",
                    where=self.path,
                    expected="a folder and a lock file that can be written",
                    found=error.strerror or str(error),
                    todo="Make the folder of the sources table writable, use a copy of the table "
                    "in another folder (--config sources=...), or pin the digest in the table: "
                    f"sha256: {seen.sha256}",
                ) from error
        if known.sha256 != seen.sha256:
            raise SourceError(
                f"{name} is not the file that was seen first.",
                where=url,
                expected=f"SHA-256 {known.sha256} ({known.bytes} bytes, from {known.url})",
                found=f"SHA-256 {seen.sha256} ({seen.bytes} bytes)",
                todo=self.how_to_accept(benchmark, release, name),
            )

    def how_to_accept(self, benchmark: str, release: str, name: str) -> str:
        """What to do when upstream has rightly changed a file."""
        return (
            f"If upstream has changed the file and you want the new one, delete the entry "
            f"{benchmark}/{release}/{name} in {self.path}, or pin the new sha256 in the sources "
            "table."
        )

    def _add(self, benchmark: str, release: str, name: str, seen: Measured, url: str) -> Entry:
        with hold(self.path):
            content = self._read()  # again: another process may have written meanwhile
            files = content.setdefault(benchmark, {}).setdefault(release, {})
            if name not in files:
                files[name] = asdict(Entry(seen.sha256, seen.bytes, seen.md5, url))
                self._write(content)
            return self._entry(files[name], f"{benchmark}/{release}/{name}")

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        content = load_yaml(self.path)
        if content is None:  # empty: another process has just created it
            return {}
        three_deep = isinstance(content, dict) and all(
            isinstance(files, dict)
            for releases in content.values()
            for files in (releases.values() if isinstance(releases, dict) else [None])
        )
        if not three_deep:
            raise ConfigError(
                "The lock file is damaged.",
                where=self.path,
                expected="benchmark -> release -> file -> {bytes, md5, sha256, url}",
                found=type(content).__name__,
                todo="Restore it from version control, or delete it to record digests anew.",
            )
        return content

    def _write(self, content: dict[str, Any]) -> None:
        text = _HEADER + yaml.safe_dump(content, sort_keys=True, width=100)
        with staged_file(self.path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def _entry(self, row: Any, key: str) -> Entry:
        sound = (
            isinstance(row, dict)
            and set(row) == {"sha256", "bytes", "md5", "url"}
            and isinstance(row["bytes"], int)
            and isinstance(row["url"], str)
            and all(isinstance(row[k], str) and rx.fullmatch(row[k]) for k, rx in _HEX.items())
        )
        if not sound:
            raise ConfigError(
                "An entry of the lock file is damaged.",
                where=f"{self.path}, at {key}",
                expected="{bytes: integer, md5: 32 hex digits, sha256: 64 hex digits, url: text}",
                found=repr(row),
                todo="Restore it from version control, or delete the entry to record it anew.",
            )
        return Entry(**row)
