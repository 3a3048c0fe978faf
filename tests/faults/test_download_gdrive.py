"""Google Drive: what gdown reports, and what it leaves behind."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import gdown
import pytest
import requests

from nasbase.errors import DiskSpaceError, SourceError
from nasbase.sources.digest import Expected
from nasbase.sources.gdrive import downloaded_from_drive
from nasbase.sources.locking import hold

ID = "16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_"
BODY = bytes(range(256)) * 20
SHA = hashlib.sha256(BODY).hexdigest()


class Drive:
    """Stands in for `gdown.download`; each entry of ``answers`` is a body or an exception."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []
        self.lines = []

    def download(self, *, output, progress, **how):
        self.calls.append(how)
        if Path(output).is_file():
            return output
        answer = self.answers.pop(0)
        part = Path(f"{output}abcdefgh.part")
        if isinstance(answer, Exception):
            part.write_bytes(BODY[:100])
            progress(100, len(BODY))
            raise answer
        start = part.read_bytes() if part.exists() else b""
        part.unlink(missing_ok=True)
        progress(len(answer), len(answer))
        Path(output).write_bytes(start + answer[len(start) :])
        return output


@pytest.fixture
def get(folder, policy, monkeypatch):
    def run(drive, expected=None, need_disk=max, take=True):  # `max` takes two numbers, too
        monkeypatch.setattr(gdown, "download", drive.download)
        with downloaded_from_drive(
            ID,
            folder,
            name="x.pth",
            expected=expected or Expected(),
            policy=policy,
            need_disk=need_disk,
            log=drive.lines.append,
        ) as (path, measured):
            body = path.read_bytes()
            assert measured.sha256 == hashlib.sha256(body).hexdigest()
            if take:
                path.unlink()
        return body

    return run


def refused(get, drive, expected=None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        get(drive, expected)
    assert caught.value.where == f"gdrive:{ID}"
    return caught.value


def test_a_file(get, folder):
    drive = Drive(BODY)
    assert get(drive, Expected(sha256=SHA)) == BODY
    assert list(folder.iterdir()) == []
    call = drive.calls[0]
    assert call["id"] == ID
    assert call["resume"] is True
    assert call["use_cookies"] is False
    assert call["timeout"] == (2.0, 0.4)
    assert call["retries"] == 2


def test_gdown_still_has_the_options_that_we_use():
    names = set(inspect.signature(gdown.download).parameters)
    assert names >= {"id", "output", "quiet", "resume", "retries", "timeout", "use_cookies"}
    assert "progress" in names


def test_a_spent_quota(get, folder):
    quota = gdown.exceptions.FileURLRetrievalError("Too many users have\n\n\tviewed the file")
    error = refused(get, Drive(quota))
    assert error.found == "Too many users have viewed the file"
    assert f"https://drive.google.com/file/d/{ID}/view" in error.todo
    assert "drop-in folder" in error.todo
    assert any(folder.rglob("*.part"))  # what has arrived is kept


@pytest.mark.parametrize(
    "failure",
    [
        gdown.exceptions.DownloadError("Download failed after 2 retries: timed out"),
        requests.exceptions.HTTPError("404 Client Error"),
        requests.exceptions.ConnectionError("no route to host"),
        KeyError("content-type"),
        AssertionError(),
    ],
)
def test_other_failures(get, failure):
    error = refused(get, Drive(failure))
    assert type(failure).__name__ in error.found
    assert error.__cause__ is failure


def test_our_own_mistakes_are_not_hidden(get):
    with pytest.raises(TypeError):
        get(Drive(TypeError("unexpected keyword")))


def test_a_web_page_under_the_files_name(get, folder):
    error = refused(get, Drive(b"<!DOCTYPE html><html><head><title>Quota exceeded"))
    assert "web page" in error.what
    assert not any(p.is_file() for p in folder.rglob("*") if p.suffix != ".lock")


def test_a_wrong_file_is_thrown_away(get, folder):
    drive = Drive(b"wrong")
    error = refused(get, drive, Expected(sha256=SHA))
    assert error.expected == SHA
    assert len(drive.calls) == 1
    assert not any(p.is_file() for p in folder.rglob("*") if p.suffix != ".lock")


def test_a_resumed_file_that_is_wrong_is_downloaded_once_more(get):
    refused(get, Drive(gdown.exceptions.DownloadError("timed out")))
    newer = b"x" * len(BODY)  # resumed on the 100 bytes of the older file: a splice
    drive = Drive(newer, newer)
    assert get(drive, Expected(sha256=hashlib.sha256(newer).hexdigest())) == newer
    assert any("again from the start" in line for line in drive.lines)


def test_a_partial_file_that_gdown_cannot_go_on_with_is_given_up(get):
    refused(get, Drive(gdown.exceptions.DownloadError("timed out")))
    stuck = gdown.exceptions.DownloadError(
        "Server did not honor the requested byte range; the partial file is preserved."
    )
    assert get(Drive(stuck, BODY), Expected(sha256=SHA)) == BODY


def test_a_complete_file_that_was_not_taken_serves_the_next_run(get):
    get(Drive(BODY), take=False)
    nothing_left = Drive()
    assert get(nothing_left, Expected(sha256=SHA)) == BODY


def test_a_failure_of_the_caller_keeps_the_file(get, folder, monkeypatch, policy):
    monkeypatch.setattr(gdown, "download", Drive(BODY).download)
    how = {"name": "x.pth", "expected": Expected(), "policy": policy, "log": str}
    with (
        pytest.raises(RuntimeError),
        downloaded_from_drive(ID, folder, need_disk=max, **how) as (path, _),
    ):
        raise RuntimeError
    assert path.exists()


def test_a_full_disk(get):
    def need(size, arrived):
        assert (size, arrived) == (len(BODY), len(BODY))
        raise DiskSpaceError("no room")

    with pytest.raises(DiskSpaceError):
        get(Drive(BODY), need_disk=need)


def test_two_processes_do_not_write_one_file(get, folder):
    with (
        hold(folder / f"gdrive-{ID}.lock"),
        pytest.raises(SourceError, match="Another process"),
    ):
        get(Drive(BODY))


def test_the_real_gdown_against_a_quota_page(server, get, folder, policy, monkeypatch):
    """gdown itself, sent to a local server: what it makes of a page is what we turn into words."""
    page = b'<html><body><p class="uc-error-subcaption">Too many users</p></body></html>'
    url, site = server.put("/uc", page, kind="text/html")
    real_get = requests.Session.get
    monkeypatch.setattr(
        requests.Session, "get", lambda self, _url, **how: real_get(self, url, **how)
    )
    with (
        pytest.raises(SourceError) as caught,
        downloaded_from_drive(
            ID, folder, name="x", expected=Expected(), policy=policy, need_disk=max, log=str
        ),
    ):
        pass
    assert "Too many users" in caught.value.found
    assert len(site.requests) == 1
