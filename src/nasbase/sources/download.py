"""HTTP downloads that survive what servers do: resumed, retried, measured, and suspicious.

Bytes go into a partial file of their own and leave it only when they are what was expected.
"""

from __future__ import annotations

import email.utils
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nasbase
from nasbase.errors import SourceError
from nasbase.sources.digest import Expected
from nasbase.sources.partial import Partial, partial
from nasbase.sources.progress import Log, Progress

if TYPE_CHECKING:
    import requests

NeedDisk = Callable[[int, int], None]
"""Takes a file's size and how much of it is there already; raises where there is no room."""

_CHUNK = 1 << 18
_PROGRESS = 8 << 20
"""Bytes of progress after which the attempts are counted anew: a slow line is no broken one."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Answers that may be another a little later."""

_HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.S)

_BROWSER = (
    "The server shows a page for people (a quota, a login, a warning). Open the address in a "
    "browser, and put the file into the drop-in folder."
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a download is; all times in seconds.

    Attributes
    ----------
    attempts
        Attempts without notable progress before a mirror is given up.
    first_wait, factor, longest_wait
        The waits between attempts grow from the first by the factor up to the longest.
    connect_timeout, read_timeout
        How long to wait for a connection, and for the next bytes.
    lock_wait
        How long to wait for another process that downloads the same file.
    """

    attempts: int = 6
    first_wait: float = 1.0
    factor: float = 2.0
    longest_wait: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    lock_wait: float = 60.0

    def waits(self) -> Iterator[float]:
        """The waits between the attempts."""
        for i in range(self.attempts - 1):
            yield min(self.first_wait * self.factor**i, self.longest_wait)


class _PassingError(Exception):
    """The attempt failed, another may not."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def looks_like_html(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a web page."""
    return _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


@contextmanager
def downloaded(
    url: str,
    folder: Path,
    *,
    name: str,
    expected: Expected,
    policy: Policy,
    need_disk: NeedDisk,
    log: Log,
) -> Iterator[Partial]:
    """Download a file and hold it, complete and verified, until the caller has taken it over.

    Parameters
    ----------
    url
        ``http://`` or ``https://``.
    folder
        Where partial files stand; one that is left there is resumed by the next call.
    name
        Name of the file, for messages.
    expected
        What the file must be.
    policy
        Patience.
    need_disk
        Called as soon as the file's size is known.
    log
        Takes lines about progress and retries.

    Yields
    ------
    Partial
        The complete file. No other process touches it until the block ends. A file that the
        caller leaves where it is serves the next call.

    Raises
    ------
    SourceError
        If the server does not give the file, or gives another one.
    DiskSpaceError
        If the disk has no room for it.
    """
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}.part"
    with partial(path, wait_s=policy.lock_wait) as part, Progress(name, log) as progress:
        _Transfer(url, part, expected, policy, need_disk, log, progress).run()
        yield part


@dataclass
class _Transfer:
    """One file from one server, in as many requests as it takes."""

    url: str
    part: Partial
    expected: Expected
    policy: Policy
    need_disk: NeedDisk
    log: Log
    progress: Progress

    def run(self) -> None:
        """Fill the partial file, and verify it."""
        self._fill()
        problem = self._problem()
        if problem is not None and self.part.spliced:
            # Two answers may have been of two versions: only a whole one proves anything.
            self.log(f"{problem.what} Downloading {self.url} again from the start.")
            self.part.begin(None, None)
            self._fill(whole=True)
            problem = self._problem()
        if problem is not None:
            self.part.begin(None, None)
            raise problem

    def _problem(self) -> SourceError | None:
        """Why the file is not what it should be."""
        try:
            self.expected.check(self.part.measured(), self.url)
        except SourceError as error:
            return error
        return None

    def _fill(self, *, whole: bool = False) -> None:
        """Make requests until the file is complete."""
        import requests

        if self.part.size and self.part.size == self.expected.bytes:
            return  # complete, but an earlier run was ended before it could use it
        waits, furthest = self.policy.waits(), self.part.size
        with requests.Session() as session:
            while True:
                try:
                    if whole and self.part.spliced:
                        self.part.begin(None, None)
                    self._request(session)
                except _PassingError as failure:
                    if self.part.size >= furthest + _PROGRESS:
                        waits, furthest = self.policy.waits(), self.part.size
                    self._wait(failure, next(waits, None))
                else:
                    return

    def _wait(self, failure: _PassingError, wait: float | None) -> None:
        if wait is None or failure.wait > self.policy.longest_wait:
            why = f"{failure}; given up after {self.policy.attempts} attempts"
            if wait is not None:
                why = f"{failure} and asks to wait {failure.wait:.0f} s"
            raise SourceError(
                "The download does not succeed.",
                where=self.url,
                found=why,
                todo="Run again later: what has arrived is kept and resumed.",
            ) from failure
        wait = max(wait, failure.wait)
        self.log(f"{self.url}: {failure}; next attempt in {wait:g} s, from byte {self.part.size}")
        time.sleep(wait)

    def _request(self, session: requests.Session) -> None:
        """One request: the whole file, or the rest of it."""
        import requests

        part = self.part
        if part.size and not part.resumable:
            part.begin(None, None)
        headers = {
            "User-Agent": f"nasbase/{nasbase.__version__}",
            "Accept-Encoding": "identity",  # offsets and sizes are those of the file itself
        }
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if part.validator:
                headers["If-Range"] = part.validator
        timeout = (self.policy.connect_timeout, self.policy.read_timeout)
        try:
            with session.get(self.url, headers=headers, stream=True, timeout=timeout) as answer:
                if self._begins(answer):
                    self._receive(answer)
        except requests.exceptions.ContentDecodingError as error:
            raise self._refused("The body of the answer is garbled.", found=error) from error
        except (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            part.flush()
            raise _PassingError(f"the connection failed ({_root(error)})") from error
        except requests.exceptions.RequestException as error:
            raise self._refused("The address cannot be used.", found=error) from error

    def _begins(self, answer: requests.Response) -> bool:
        """Read the head of an answer; whether a body is to be received."""
        part, status = self.part, answer.status_code
        if status in _PASSING:
            raise _PassingError(f"the server answered {_status(answer)}", _retry_after(answer))
        if status == 416 and part.size:
            self._check_complete(answer)
            return False
        if status == 206 and part.size:
            self._check_rest(answer)
            part.spliced = True
            return True
        if status != 200:
            todo = None if status in {404, 410} else _BROWSER
            raise self._refused(
                "The server does not give the file.", found=_status(answer), todo=todo
            )
        if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise self._refused("The answer is a web page.", found="text/html", todo=_BROWSER)
        if part.size:
            self.log(f"{self.url} sends the whole file again instead of the rest")
        self._begin(answer)
        return True

    def _begin(self, answer: requests.Response) -> None:
        total, encoded = _length(answer), _is_encoded(answer)
        chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        known = self.expected.has_digest or self.expected.bytes is not None
        if total is None and not (encoded or chunked or known):
            raise self._refused(
                "Nothing says how long the file is: a truncated one could not be told apart.",
                expected="a Content-Length, or bytes or sha256 in the sources table",
                found="neither",
            )
        if total is not None and self.expected.bytes not in {None, total}:
            raise self._refused(
                f"The size of the file is not what {self.expected.authority} says.",
                expected=f"{self.expected.bytes} bytes",
                found=f"Content-Length {total}",
                todo=self.expected.todo,
            )
        self.need_disk(total or self.expected.bytes or 0, 0)
        self.part.begin(total, None if encoded else _validator(answer))

    def _check_rest(self, answer: requests.Response) -> None:
        """A 206 answer must be the rest of the same file, up to its end."""
        said = answer.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", said)
        total = int(match[3]) if match and match[3] != "*" else None
        sound = (
            match is not None
            and int(match[1]) == self.part.size
            and not _is_encoded(answer)
            and total in {None, self.part.total}
            and (total is None or int(match[2]) == total - 1)
            # Without a validator only the size shows that it is still the same file.
            and (self.part.validator is not None or total is not None)
        )
        if not sound:
            part, size = self.part, self.part.size
            part.begin(None, None)
            raise _PassingError(f"asked for the bytes from {size}, the server sent {said or '?'}")

    def _check_complete(self, answer: requests.Response) -> None:
        """416: nothing comes after what is there, or what is there is of another version."""
        part = self.part
        match = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
        total = int(match[1]) if match else part.total
        if total != part.size or part.total not in {None, total}:
            size = part.size
            part.begin(None, None)
            raise _PassingError(f"the server has no bytes from {size} on")

    def _receive(self, answer: requests.Response) -> None:
        part = self.part
        total = part.total if part.total is not None else self.expected.bytes
        for chunk in answer.iter_content(_CHUNK):
            if part.size == 0 and looks_like_html(chunk[:1024]):
                part.begin(None, None)
                raise self._refused(
                    "The answer is a web page.", found=repr(chunk[:60]), todo=_BROWSER
                )
            if total is not None and part.size + len(chunk) > total:
                part.begin(None, None)
                raise self._refused(
                    "The server sends more than it should.", expected=f"{total} bytes", found="more"
                )
            part.write(chunk)
            self.progress.at(part.size, total)
        part.flush()
        if part.total is not None and part.size < part.total:
            raise _PassingError(f"the body ended at byte {part.size} of {part.total}")

    def _refused(
        self,
        what: str,
        *,
        expected: object = None,
        found: object = None,
        todo: str | None = None,
    ) -> SourceError:
        """Trying again would give the same."""
        return SourceError(what, where=self.url, expected=expected, found=found, todo=todo)


def _status(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.reason or ''}".strip()


def _is_encoded(answer: requests.Response) -> bool:
    """Whether the body is compressed on its way, although it was asked not to be."""
    return answer.headers.get("Content-Encoding", "identity").strip().lower() not in {
        "",
        "identity",
    }


def _length(answer: requests.Response) -> int | None:
    """Size of the file, where the answer announces it."""
    said = answer.headers.get("Content-Length", "")
    return int(said) if said.isdecimal() and not _is_encoded(answer) else None


def _validator(answer: requests.Response) -> str | None:
    """What If-Range takes: a strong ETag, else the date of the last change."""
    etag = answer.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return answer.headers.get("Last-Modified")


def _retry_after(answer: requests.Response) -> float:
    """Seconds that the server asks to wait; 0 if it does not say."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        when = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    return max(0.0, when.timestamp() - time.time())


def _root(error: BaseException) -> str:
    """The innermost message of a chain of exceptions, on one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return " ".join(f"{type(error).__name__}: {error}".split())
