"""What servers do to downloads."""

from __future__ import annotations

import email.utils
import hashlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from nasbase.errors import DiskSpaceError, SourceError
from nasbase.sources.digest import Expected
from nasbase.sources.download import Policy, downloaded, looks_like_html
from nasbase.sources.locking import hold

MB = 1 << 20


def of(body: bytes, **more) -> Expected:
    return Expected(sha256=hashlib.sha256(body).hexdigest(), **more)


def plenty(_size: int, _arrived: int) -> None:
    """There is room for everything."""


@pytest.fixture
def get(folder, policy):
    """Download once; returns the bytes and the lines of the log."""
    lines: list[str] = []

    def run(url, expected=None, *, policy=policy, need_disk=plenty):
        lines.clear()
        expected = expected or Expected()
        with downloaded(
            url,
            folder,
            name="f.bin",
            expected=expected,
            policy=policy,
            need_disk=need_disk,
            log=lines.append,
        ) as part:
            body = part.path.read_bytes()[: part.size]
            measured = part.measured()
            assert measured.bytes == len(body)
            assert measured.sha256 == hashlib.sha256(body).hexdigest()
            assert measured.md5 == hashlib.md5(body).hexdigest()
            part.path.unlink()  # taken over
        assert not list(folder.glob(f"{part.path.name}*"))
        return body, list(lines)

    return run


def refused(get, url, expected=None, **how) -> SourceError:
    with pytest.raises(SourceError) as caught:
        get(url, expected, **how)
    assert caught.value.where == url
    return caught.value


def test_a_plain_download(server, get, make_content):
    body = make_content(3 * MB)
    url, site = server.put("/f", body)
    assert get(url, of(body, bytes=len(body)))[0] == body
    assert site.requests[0]["Accept-Encoding"] == "identity"
    assert site.requests[0]["User-Agent"].startswith("nasbase/")
    assert site.ranges_asked == [None]


def test_an_empty_file(server, get):
    url, _ = server.put("/f", b"")
    assert get(url, of(b"", bytes=0))[0] == b""


def test_a_redirect_is_followed(server, get, make_content):
    body = make_content(1000)
    url, _ = server.put("/f", body)
    redirect, _ = server.put("/r", b"", location=url)
    assert get(redirect, of(body))[0] == body


def test_progress_is_logged_every_tenth(server, get, make_content):
    body = make_content(4 * MB)
    url, _ = server.put("/f", body)
    _, lines = get(url)
    assert 2 <= len(lines) <= 10
    assert lines[-1].startswith("f.bin: 100 % of 4.19 MB")


@pytest.mark.parametrize("reset", [True, False])
def test_a_broken_connection_is_resumed(server, get, make_content, reset):
    body = make_content(3 * MB)
    url, site = server.put("/f", body, drops=[MB, MB, None], reset=reset)
    got, lines = get(url, of(body))
    assert got == body
    assert len(site.requests) == 3
    offsets = [int(r.removeprefix("bytes=").removesuffix("-")) for r in site.ranges_asked[1:]]
    assert 0 < offsets[0] <= MB < offsets[1] <= 2 * MB
    assert [r.get("If-Range") for r in site.requests] == [None, '"v1"', '"v1"']
    assert f"from byte {offsets[0]}" in "\n".join(lines)


def test_attempts_are_counted_anew_after_progress(server, get, make_content, monkeypatch):
    monkeypatch.setattr("nasbase.sources.download._PROGRESS", MB // 2)
    body = make_content(5 * MB)
    url, site = server.put("/f", body, drops=[MB] * 6 + [None])
    assert get(url, of(body))[0] == body
    assert len(site.requests) > 3


def test_a_server_that_breaks_each_time_is_given_up(server, get, make_content, folder):
    body = make_content(3 * MB)
    url, site = server.put("/f", body, drops=[MB, 0])
    error = refused(get, url, of(body))
    assert "3 attempts" in error.found
    assert "resumed" in error.todo
    assert len(site.requests) == 3
    kept = next(p for p in folder.iterdir() if p.suffix == ".part").stat().st_size
    assert 0 < kept <= MB
    site.drops = [None]  # a later run goes on
    assert get(url, of(body))[0] == body
    assert site.ranges_asked[-1] == f"bytes={kept}-"


def test_a_truncated_body_under_the_right_length(server, get, make_content):
    body = make_content(2 * MB)
    url, _ = server.put("/f", body, drops=[MB], reset=False, ranges=False)
    error = refused(get, url)
    assert "IncompleteRead" in error.found


def test_a_truncated_chunked_body(server, get, make_content):
    body = make_content(2 * MB)
    url, _ = server.put("/f", body, chunked=True, drops=[MB], reset=False)
    refused(get, url)
    url, _ = server.put("/g", body, chunked=True)
    assert get(url)[0] == body


def test_a_server_without_ranges_starts_again(server, get, make_content):
    body = make_content(2 * MB)
    url, site = server.put("/f", body, ranges=False, drops=[MB, None])
    got, lines = get(url, of(body))
    assert got == body
    assert site.ranges_asked[1] is not None
    assert any("sends the whole file again" in line for line in lines)


def test_a_file_that_changes_between_two_requests_is_never_spliced(server, get, make_content):
    old, new = make_content(2 * MB, 1), make_content(2 * MB, 2)
    url, _ = server.put("/f", old, drops=[MB, 0])
    refused(get, url)
    _, site = server.put("/f", new, etag='"v2"')
    assert get(url)[0] == new
    assert [r.get("If-Range") for r in site.requests] == ['"v1"']  # answered with the whole file


def test_without_a_validator_the_size_must_agree(server, get, make_content):
    old = make_content(2 * MB, 1)
    url, _ = server.put("/f", old, etag=None, drops=[MB, 0])
    refused(get, url)
    new = make_content(2 * MB + 7, 2)
    _, site = server.put("/f", new, etag=None)
    assert get(url)[0] == new
    assert site.ranges_asked[0] is not None
    assert site.ranges_asked[-1] is None


def test_a_weak_etag_is_no_validator(server, get, make_content):
    body, date = make_content(2 * MB), "Mon, 16 Mar 2020 00:00:00 GMT"
    url, site = server.put("/f", body, etag='W/"x"', date=date, drops=[MB, None])
    site.etag = None  # the server compares the date
    assert get(url, of(body))[0] == body
    assert site.requests[1]["If-Range"] == date


def test_a_spliced_file_with_a_wrong_digest_is_downloaded_once_more(server, get, make_content):
    old, new = make_content(2 * MB, 1), make_content(2 * MB, 2)
    url, _ = server.put("/f", old, drops=[MB, 0])
    refused(get, url)
    _, site = server.put("/f", new)  # the same ETag and size for other bytes
    got, lines = get(url, of(new))
    assert got == new
    assert site.ranges_asked[-1] is None
    assert any("again from the start" in line for line in lines)


def test_a_complete_partial_file_needs_no_bytes(server, get, make_content, policy, folder):
    body = make_content(MB)
    url, site = server.put("/f", body)
    how = {"name": "f.bin", "policy": policy, "need_disk": plenty, "log": str}
    with downloaded(url, folder, expected=of(body), **how):
        pass  # ended before it could be taken over
    assert get(url, of(body))[0] == body  # 416
    assert site.ranges_asked == [None, f"bytes={len(body)}-"]
    with downloaded(url, folder, expected=of(body), **how):
        pass
    assert get(url, of(body, bytes=len(body)))[0] == body  # known to be complete
    assert len(site.requests) == 3


def test_416_for_another_size_starts_again(server, get, make_content):
    old, new = make_content(2 * MB, 1), make_content(MB // 2, 2)
    url, _ = server.put("/f", old, etag=None, drops=[MB, 0])
    refused(get, url)
    server.put("/f", new, etag=None)
    assert get(url, of(new))[0] == new


def test_a_wrong_content_range_is_not_trusted(server, get, make_content):
    body = make_content(2 * MB)
    url, site = server.put("/f", body, drops=[MB, None], content_range="bytes 0-5/6")
    assert get(url, of(body))[0] == body
    assert site.ranges_asked[-1] is None


def test_garbage_beside_a_partial_file_is_ignored(server, get, make_content, folder):
    body = make_content(MB)
    url, site = server.put("/f", body, drops=[MB // 2, 0])
    refused(get, url)
    next(p for p in folder.iterdir() if p.suffix == ".json").write_text("{")
    site.drops = [None]
    assert get(url, of(body))[0] == body
    assert site.ranges_asked[-1] is None


@pytest.mark.parametrize("status", [403, 404, 401, 410])
def test_a_refusal_is_not_repeated(server, get, status):
    url, site = server.put("/f", b"", first=[(status, {})] * 5)
    error = refused(get, url)
    assert str(status) in error.found
    assert len(site.requests) == 1
    assert bool(error.todo) == (status in {401, 403})


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_repeated(server, get, make_content, status):
    body = make_content(100)
    url, site = server.put("/f", body, first=[(status, {})])
    got, lines = get(url, of(body))
    assert got == body
    assert len(site.requests) == 2
    assert str(status) in lines[0]


def test_retry_after_is_obeyed(server, get, make_content):
    body = make_content(100)
    patient = Policy(attempts=2, first_wait=0.01, longest_wait=2.0)
    url, _ = server.put("/f", body, first=[(503, {"Retry-After": "1"})])
    start = time.monotonic()
    assert get(url, of(body), policy=patient)[0] == body
    assert time.monotonic() - start >= 1.0


def test_a_long_retry_after_gives_the_mirror_up(server, get):
    later = email.utils.formatdate(time.time() + 3600, usegmt=True)
    for said in ("3600", later):
        url, site = server.put("/f", b"", first=[(429, {"Retry-After": said})])
        error = refused(get, url)
        assert "asks to wait 3" in error.found
        assert len(site.requests) == 1


def test_a_stalled_server_times_out(server, get, make_content):
    body = make_content(MB)
    url, site = server.put("/f", body, drops=[1000], stall=True)
    error = refused(get, url, policy=Policy(attempts=2, first_wait=0.01, read_timeout=0.3))
    assert "timed out" in error.found.lower()
    assert len(site.requests) == 2


def test_a_slow_server_is_waited_for(server, get, make_content):
    body = make_content(MB)
    url, _ = server.put("/f", body, pause=0.05)  # 0.8 s in all, more than the read timeout
    assert get(url, of(body))[0] == body


def test_nobody_listens(get, server):
    url = server.url("/f")
    server._http.server_close()
    error = refused(get, url, policy=Policy(attempts=2, first_wait=0.01))
    assert "Refused" in error.found


def test_an_address_that_cannot_be_used(get):
    assert "cannot be used" in refused(get, "http://[::1").what


@pytest.mark.parametrize(
    "page",
    [b"<!DOCTYPE html><html>", b"\n  <html lang=en>", b"\xef\xbb\xbf<HTML>", b"<!-- x --><head>"],
)
def test_a_web_page_is_no_file(server, get, page):
    for kind in ("text/html; charset=utf-8", "application/octet-stream"):
        url, site = server.put("/f", page + b" " * 5000, kind=kind)
        error = refused(get, url)
        assert "web page" in error.what
        assert "browser" in error.todo
        assert len(site.requests) == 1


def test_what_is_no_web_page():
    for head in (b"\x80\x02\x8a\n", b"PK\x03\x04", b"BZh91AY", b"[{", b"", b"<htmlx", b"NATS/"):
        assert not looks_like_html(head)


def test_the_size_of_the_table_is_compared_before_any_byte(server, get, make_content):
    body = make_content(2 * MB)
    url, _ = server.put("/f", body)
    error = refused(get, url, Expected(bytes=5))
    assert error.expected == "5 bytes"
    assert error.found == f"Content-Length {len(body)}"


def test_more_bytes_than_expected_are_refused(server, get, make_content):
    url, _ = server.put("/f", make_content(2 * MB), chunked=True)
    assert "more than it should" in refused(get, url, Expected(bytes=MB)).what


@pytest.mark.parametrize(
    ("expected", "word"),
    [
        (Expected(sha256="0" * 64), "SHA-256"),
        (Expected(md5_suffix="ffff0"), "MD5"),
        (Expected(bytes=3), "size"),
    ],
)
def test_wrong_content_is_thrown_away(server, get, folder, expected, word):
    url, site = server.put("/f", b"12", chunked=True)
    error = refused(get, url, expected)
    assert word in error.what
    assert list(folder.iterdir()) == []
    assert len(site.requests) == 1


def test_a_body_of_unknown_length_needs_something_to_compare_with(server, get, make_content):
    body = make_content(1000)
    url, _ = server.put("/f", body, length="none")
    assert "Content-Length" in refused(get, url).expected
    assert get(url, of(body))[0] == body
    assert get(url, Expected(bytes=1000))[0] == body


def test_a_compressed_body_is_the_file_itself(server, get, make_content):
    body = make_content(2 * MB)
    url, site = server.put("/f", body, gzipped=True, drops=[MB, None])
    assert get(url, of(body, bytes=len(body)))[0] == body
    assert site.ranges_asked == [None, None]  # offsets would be those of the compressed bytes


def test_a_garbled_compressed_body(server, get, make_content):
    url, _ = server.put("/f", make_content(1000), mislabelled=True)
    assert "garbled" in refused(get, url).what


def test_a_full_disk_is_seen_before_any_byte_is_written(server, get, make_content, folder):
    url, _ = server.put("/f", make_content(MB))
    asked = []

    def need(size, arrived):
        asked.append((size, arrived))
        raise DiskSpaceError("no room")

    with pytest.raises(DiskSpaceError):
        get(url, need_disk=need)
    assert asked == [(MB, 0)]
    assert list(folder.iterdir()) == []


def test_two_processes_do_not_write_one_file(server, get, make_content, folder):
    url, _ = server.put("/f", make_content(100))
    part = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-f.bin.part"
    with hold(part), pytest.raises(SourceError, match="Another process") as caught:
        get(url)
    assert caught.value.where == part
    get(url)


def test_a_killed_download_is_resumed(server, make_content, folder, get):
    body = make_content(6 * MB)
    url, site = server.put("/f", body, pause=0.02)
    script = f"""
        from pathlib import Path
        from nasbase.sources.digest import Expected
        from nasbase.sources.download import Policy, downloaded
        with downloaded({url!r}, Path({str(folder)!r}), name="f.bin", expected=Expected(),
                        policy=Policy(), need_disk=lambda s, a: None, log=str):
            pass
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        parts = [p for p in folder.glob("*.part") if p.stat().st_size > MB]
        if parts:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = parts[0].stat().st_size
    assert MB < left < 6 * MB
    site.pause = 0
    assert get(url, of(body))[0] == body
    assert site.ranges_asked[-1] == f"bytes={left}-"
