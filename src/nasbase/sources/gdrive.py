"""Files on Google Drive, through gdown.

Drive shows pages instead of files (virus warnings, quotas), which gdown knows how to read. What
it says when that fails is turned into our error; the quota of a file is usually spent for a day.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasbase.errors import SourceError
from nasbase.sources.digest import Expected, Measured, measure
from nasbase.sources.disk import full_disk_is_an_error_of_ours
from nasbase.sources.download import NeedDisk, Policy, looks_like_html
from nasbase.sources.locking import hold
from nasbase.sources.progress import Log, Progress

_TODO = (
    "Drive refuses busy files for about a day: try again later, or open {page} in a browser (a "
    "copy in a Drive of your own has its own quota) and put the file into the drop-in folder."
)

_STUCK = re.compile("requested byte range|multiple temporary files")
"""What gdown says of a partial file that it can neither go on with nor do without."""


@contextmanager
def downloaded_from_drive(
    file_id: str,
    folder: Path,
    *,
    name: str,
    expected: Expected,
    policy: Policy,
    need_disk: NeedDisk,
    log: Log,
) -> Iterator[tuple[Path, Measured]]:
    """Download a file from Google Drive; the parameters are those of `download.downloaded`.

    Yields
    ------
    tuple
        The complete and verified file, and what was measured of it.

    Raises
    ------
    SourceError
        If Drive does not give the file, or gives another one.
    DiskSpaceError
        If the disk has no room for it.
    """
    # gdown resumes only if there is exactly one partial file beside its output: a folder for each.
    work = folder / f"gdrive-{file_id}"
    guard = folder / f"gdrive-{file_id}.lock"
    try:
        with hold(guard, wait_s=policy.lock_wait):
            work.mkdir(exist_ok=True)
            path = work / name
            measured = _get(
                file_id, path, expected=expected, policy=policy, need_disk=need_disk, log=log
            )
            yield path, measured
            if not path.exists():  # the caller has taken it over
                shutil.rmtree(work)
                guard.unlink()
    except TimeoutError as error:
        raise SourceError(
            "Another process is downloading this file.",
            where=work,
            found=f"its lock was still held after {policy.lock_wait:g} s",
            todo="Wait until it has finished, or end it, and run again.",
        ) from error


def _get(
    file_id: str, path: Path, *, expected: Expected, policy: Policy, need_disk: NeedDisk, log: Log
) -> Measured:
    """Download and verify; what was resumed and is wrong is downloaded once more as a whole."""
    resumed = any(path.parent.iterdir())
    while True:
        try:
            _run_gdown(file_id, path, policy, need_disk, log)
            return _verify(file_id, path, expected)
        except SourceError as error:
            # gdown keeps a partial file that its server refuses to go on with, for ever. A spent
            # quota says nothing about the bytes that are there.
            wrong = isinstance(error, _WrongFileError) or _STUCK.search(str(error.found))
            if wrong:
                _clear(path.parent)
            if not (wrong and resumed):
                raise
            log(f"{error.what} Downloading {path.name} again from the start.")
            resumed = False


class _WrongFileError(SourceError):
    """Drive gave a file, but not the one that was expected."""


def _run_gdown(file_id: str, path: Path, policy: Policy, need_disk: NeedDisk, log: Log) -> None:
    import gdown
    import requests

    asked = False

    def on_chunk(position: int, total: int | None) -> None:
        nonlocal asked
        if not asked and total is not None:
            need_disk(total, position)
            asked = True
        progress.at(position, total)

    page = f"https://drive.google.com/file/d/{file_id}/view"
    try:
        with (
            Progress(path.name, log) as progress,
            full_disk_is_an_error_of_ours(path.parent, f"downloading {path.name}"),
        ):
            gdown.download(
                id=file_id,
                output=str(path),
                quiet=True,
                resume=True,
                retries=policy.attempts - 1,
                timeout=(policy.connect_timeout, policy.read_timeout),
                use_cookies=False,  # they would be written into the user's home
                progress=on_chunk,
            )
    except gdown.exceptions.FileURLRetrievalError as error:
        raise SourceError(
            "Google Drive does not give the file.",
            where=f"gdrive:{file_id}",
            found=_one_line(error),
            todo=_TODO.format(page=page),
        ) from error
    except (
        gdown.exceptions.DownloadError,
        requests.RequestException,
        # What gdown raises where an answer lacks a header or a form that it counts on.
        LookupError,
        AssertionError,
        ValueError,
    ) as error:
        raise SourceError(
            "The download from Google Drive does not succeed.",
            where=f"gdrive:{file_id}",
            found=f"{type(error).__name__}: {_one_line(error)}",
            todo=_TODO.format(page=page),
        ) from error


def _verify(file_id: str, path: Path, expected: Expected) -> Measured:
    where = f"gdrive:{file_id}"
    with path.open("rb") as stream:
        head = stream.read(1024)
    if looks_like_html(head):
        page = f"https://drive.google.com/file/d/{file_id}/view"
        raise _WrongFileError(
            "Google Drive gave a web page instead of the file.",
            where=where,
            found=repr(head[:60]),
            todo=_TODO.format(page=page),
        )
    measured = measure(path)
    try:
        expected.check(measured, where)
    except SourceError as error:
        raise _WrongFileError(
            error.what,
            where=error.where,
            expected=error.expected,
            found=error.found,
            todo=error.todo,
        ) from None
    return measured


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
