"""Obtain the files of a release: from the store, the drop-in folder, or a mirror.

Whatever the place, a file is measured, compared with the sources table and the lock, recorded,
put into the store and linked under ``resources/raw``. Nothing else is written.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.errors import NasbaseError, RawDataError, SourceError
from nasbase.sources.digest import Expected, Measured, measure
from nasbase.sources.disk import check_free_disk
from nasbase.sources.download import Policy, downloaded
from nasbase.sources.gdrive import downloaded_from_drive
from nasbase.sources.lock import Lock
from nasbase.sources.locking import hold
from nasbase.sources.progress import Log
from nasbase.sources.store import Store
from nasbase.sources.table import FileRow, Release, SourcesTable

DROP_IN = "drop-in"
"""What the lock file says of a file that came from the drop-in folder."""

# Members of a NATS folder: `%06d.pickle.pbz2`; nats_bench's reload also accepts `%d.pickle.pbz2`.
_DIR_MEMBERS = re.compile(r"(meta|\d{1,6})\.pickle\.pbz2")


def fetch_release(
    table: SourcesTable,
    benchmark: str,
    release: str | None = None,
    *,
    store_dir: Path,
    raw_dir: Path,
    dropin: Path | None = None,
    partial: bool = False,
    disk_factor: float = 0.0,
    policy: Policy | None = None,
    log: Log | None = None,
) -> RawRelease:
    """Obtain every file of a release and link it under ``raw_dir/<benchmark>/<release>-<pin>``.

    Parameters
    ----------
    table
        The sources table; its lock file stands beside it.
    benchmark, release
        What to fetch; without a release, the latest.
    store_dir, raw_dir
        ``resources/store`` and ``resources/raw``.
    dropin
        A folder searched by file name before anything is downloaded.
    partial
        Accept fewer records than the whole space; true also where the table says so.
    disk_factor
        Free disk that the build will need, as a multiple of the raw bytes; checked together with
        the room for a download.
    policy
        Patience with servers.
    log
        Takes one line at a time; default: this module's logger.

    Raises
    ------
    SourceError
        If a file cannot be obtained: one error that lists every place tried, why it failed, and
        where a person can put the file.
    DiskSpaceError
        If there is no room for a download and the build.
    """
    row = table.release(benchmark, release)
    fetch = _Fetch(
        table=table,
        release=row,
        store=Store(store_dir),
        lock=Lock(table.path),
        dropin=dropin,
        disk_factor=disk_factor,
        policy=policy or Policy(),
        log=log or logging.getLogger(__name__).info,
    )
    obtained = [fetch.one_of(alternatives) for alternatives in row.required]
    if fetch.failures:
        raise fetch.failed()
    folder = raw_dir / row.benchmark / row.key
    files = tuple(fetch.link(file, seen, folder) for file, seen in filter(None, obtained))
    return RawRelease(
        benchmark=row.benchmark,
        release=row.release,
        files=files,
        partial=partial or row.partial,
        synthetic=row.synthetic,
    )


@dataclass
class _Fetch:
    """One release on its way."""

    table: SourcesTable
    release: Release
    store: Store
    lock: Lock
    dropin: Path | None
    disk_factor: float
    policy: Policy
    log: Log
    failures: list[str] = field(default_factory=list)
    missing: list[FileRow] = field(default_factory=list)

    def one_of(self, alternatives: tuple[FileRow, ...]) -> tuple[FileRow, Measured] | None:
        """The first alternative that can be obtained; what is at hand goes before downloads."""
        before = len(self.failures)
        for find in (self._from_store, self._from_dropin), (self._from_mirrors,):
            for file in alternatives:
                for place in find:
                    seen = place(file)
                    if seen is not None:
                        self._say_what_failed_on_the_way(before)
                        return file, seen
        self.missing += alternatives
        return None

    def link(self, file: FileRow, seen: Measured, folder: Path) -> RawFile:
        """Give an obtained file its name under ``resources/raw``."""
        name = f"{file.name}.tar" if file.form == "dir" else file.name
        self.store.link(seen.sha256, folder / name)
        return RawFile(name, folder / name, file.form, seen.bytes, seen.sha256)

    def failed(self) -> SourceError:
        """Everything that was tried, in one error."""
        names = " or ".join(f.name for f in self.missing)
        manual = " ".join(dict.fromkeys(f.manual.strip() for f in self.missing if f.manual))
        folder = (
            f"Put it into the drop-in folder {self.dropin} under that name"
            if self.dropin
            else "Put it under that name into a folder, name that folder with --config dropin=..."
        )
        return SourceError(
            f"No place gave {names} of {self.release.benchmark} {self.release.release}.",
            where=f"the sources table {self.table.path}",
            expected="one place that has the file, with the size and digest that are known",
            found="".join(f"\n    - {failure}" for failure in self.failures),
            todo=f"{folder} and run again. {manual}".rstrip(),
        )

    # -------------------------------------------------------------- places

    def _from_store(self, file: FileRow) -> Measured | None:
        known = self._expected(file)
        if known.sha256 is None or not self.store.has(known.sha256):
            return None
        try:
            seen = self.store.verify(known.sha256)
            known.check(seen, self.store.path(known.sha256))
        except SourceError as error:
            self._fail(f"store: {file.name}", error)
            return None
        self.log(f"{file.name}: in the store already, as {known.authority} pins it")
        return seen

    def _from_dropin(self, file: FileRow) -> Measured | None:
        if self.dropin is None:
            return None
        path = self.dropin / file.name
        if not path.exists():
            self.failures.append(f"drop-in folder: no {file.name} in {self.dropin}")
            return None
        return self._from_disk(file, path, DROP_IN)

    def _from_mirrors(self, file: FileRow) -> Measured | None:
        if not file.urls:
            self.failures.append(f"{file.name}: no program can download it (no urls in the table)")
        for url in file.urls:
            seen = self._from_url(file, url)
            if seen is not None:
                return seen
        return None

    def _from_url(self, file: FileRow, url: str) -> Measured | None:
        scheme = url.partition(":")[0]
        if scheme == "file":
            return self._from_disk(file, self.table.local_path(url), url)
        if file.size_about is not None:
            self._need_disk(file.size_about, self._arrived(file))
        try:
            return self._from_drive(file, url) if scheme == "gdrive" else self._from_web(file, url)
        except SourceError as error:
            self._fail(url, error)
            return None

    def _from_disk(self, file: FileRow, path: Path, url: str) -> Measured | None:
        try:
            if file.form == "dir":
                return self._pack(file, path, url)
            if not path.is_file():
                found = "a folder" if path.is_dir() else "nothing"
                raise SourceError("There is no such file.", where=path, found=found)
            self._need_disk(path.stat().st_size)
            return self.store.add(path, lambda seen: self._accept(file, seen, url, path))
        except (SourceError, RawDataError, OSError) as error:
            self._fail(f"{url}: {path}", error)
            return None

    def _pack(self, file: FileRow, path: Path, url: str) -> Measured:
        """A folder becomes a tar, the same one each time, so that all later steps see a tar."""
        from nasbase.containers.tar_index import pack_directory

        if not path.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise SourceError("There is no such folder.", where=path, found=found)
        self._need_disk(sum(p.stat().st_size for p in path.iterdir()))
        packed = self.store.partial / f"{file.name}.tar"
        guard = packed.with_name(f"{packed.name}.lock")
        with hold(guard):
            try:
                pack_directory(path, packed, _DIR_MEMBERS)
                return self._take(file, packed, measure(packed), url, where=path)
            finally:
                packed.unlink(missing_ok=True)
                guard.unlink()

    def _from_web(self, file: FileRow, url: str) -> Measured:
        with downloaded(
            url,
            self.store.partial,
            name=file.name,
            expected=self._expected(file),
            policy=self.policy,
            need_disk=self._need_disk,
            log=self.log,
        ) as part:
            return self._take(file, part.path, part.measured(), url)

    def _from_drive(self, file: FileRow, url: str) -> Measured:
        with downloaded_from_drive(
            url.removeprefix("gdrive:"),
            self.store.partial,
            name=file.name,
            expected=self._expected(file),
            policy=self.policy,
            need_disk=self._need_disk,
            log=self.log,
        ) as (path, seen):
            return self._take(file, path, seen, url)

    # -------------------------------------------------------------- acceptance

    def _expected(self, file: FileRow) -> Expected:
        """What a file must be, by the table and, where the table has no SHA-256, by the lock."""
        if file.sha256 is not None:
            return Expected(file.bytes, file.sha256, file.md5_suffix)
        entry = self.lock.get(self.release.benchmark, self.release.release, file.name)
        if entry is None:
            return Expected(file.bytes, None, file.md5_suffix)
        return Expected(
            file.bytes if file.bytes is not None else entry.bytes,
            entry.sha256,
            file.md5_suffix,
            authority=f"the lock file {self.lock.path}",
            todo=self.lock.how_to_accept(self.release.benchmark, self.release.release, file.name),
        )

    def _accept(self, file: FileRow, seen: Measured, url: str, where: object) -> None:
        """Compare with table and lock, and record what is seen for the first time."""
        self._expected(file).check(seen, where)
        if file.sha256 is None:
            self.lock.record(self.release.benchmark, self.release.release, file.name, seen, url)
        self.log(f"{file.name}: {seen.bytes} bytes from {url}, SHA-256 {seen.sha256}")

    def _take(
        self, file: FileRow, path: Path, seen: Measured, url: str, *, where: object = None
    ) -> Measured:
        self._accept(file, seen, url, where or url)
        self.store.adopt(path, seen)
        return seen

    def _need_disk(self, size: int, arrived: int = 0) -> None:
        name = f"{self.release.benchmark} {self.release.release}"
        needs = max(0, size - arrived) + int(self.disk_factor * size)
        purpose = f"downloading {name}" + (" and building it" if self.disk_factor else "")
        check_free_disk(self.store.folder, {self.release.benchmark: needs}, purpose=purpose)

    def _arrived(self, file: FileRow) -> int:
        """Bytes that earlier runs have left of a file."""
        left = (p for p in self.store.partial.rglob("*") if file.name in p.name and p.is_file())
        return sum(p.stat().st_size for p in left)

    # -------------------------------------------------------------- failures

    def _fail(self, place: str, error: Exception) -> None:
        parts = [str(error)]
        if isinstance(error, NasbaseError):
            parts = [error.what]
            parts += [f"expected {error.expected}"] if error.expected is not None else []
            parts += [f"found {error.found}"] if error.found is not None else []
            parts += [error.todo] if error.todo else []
        self.failures.append(f"{place}: " + "; ".join(parts))

    def _say_what_failed_on_the_way(self, before: int) -> None:
        """A file that was obtained after all still deserves the story of the others."""
        for failure in self.failures[before:]:
            self.log(failure)
        del self.failures[before:]
