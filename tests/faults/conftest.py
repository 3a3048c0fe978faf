"""A local HTTP server that misbehaves by path, and what tests of downloads need beside it."""

from __future__ import annotations

import gzip
import random
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nasbase.sources.download import Policy


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that look like nothing in particular."""
    return random.Random(seed).randbytes(size)


@dataclass
class Site:
    """What stands at one path, and how it is served.

    ``drops`` says for each request in turn after how many bytes the connection is reset (None:
    never; the last entry holds for all later requests). ``first`` are answers given before the
    file is served at all.
    """

    body: bytes
    etag: str | None = '"v1"'
    date: str | None = None
    ranges: bool = True
    drops: list[int | None] = field(default_factory=lambda: [None])
    reset: bool = True
    first: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    kind: str = "application/octet-stream"
    length: int | str | None = None  # "none": no Content-Length at all
    content_range: str | None = None
    chunked: bool = False
    gzipped: bool = False
    mislabelled: bool = False  # said to be compressed, but plain
    stall: bool = False
    pause: float = 0.0
    location: str | None = None
    requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def ranges_asked(self) -> list[str | None]:
        return [r.get("Range") for r in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        site = self.server.sites.get(self.path)  # type: ignore[attr-defined]
        if site is None:
            self._plain(404)
            return
        drop = site.drops[min(len(site.requests), len(site.drops) - 1)]
        site.requests.append(dict(self.headers))
        if site.location:
            self._plain(302, {"Location": site.location})
        elif site.first:
            self._plain(*site.first.pop(0))
        else:
            self._serve(site, drop)

    def _plain(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": "0"}.items():
            self.send_header(key, value)
        self.end_headers()

    def _serve(self, site: Site, drop: int | None) -> None:
        start, body = 0, gzip.compress(site.body) if site.gzipped else site.body
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        version = self.headers.get("If-Range")
        if asked and site.ranges and version in {None, site.etag or site.date}:
            start = int(asked[1])
            if start >= len(body):
                self._plain(416, {"Content-Range": f"bytes */{len(body)}"})
                return
            self.send_response(206)
            said = site.content_range or f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send_header("Content-Range", said)
        else:
            self.send_response(200)
        body = body[start:]
        headers = {"ETag": site.etag, "Last-Modified": site.date, "Content-Type": site.kind}
        headers["Content-Encoding"] = "gzip" if site.gzipped or site.mislabelled else None
        if site.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif site.length != "none":
            headers["Content-Length"] = str(site.length if site.length else len(body))
        for key, value in headers.items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        self._send(site, body, drop)
        self.close_connection = True

    def _send(self, site: Site, body: bytes, drop: int | None) -> None:
        part = body if drop is None else body[:drop]
        try:
            for i in range(0, len(part), 1 << 16):
                piece = part[i : i + (1 << 16)]
                framed = b"%x\r\n%s\r\n" % (len(piece), piece) if site.chunked else piece
                self.wfile.write(framed)
                time.sleep(site.pause)
            if site.chunked and drop is None:
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:
            return  # the client has hung up, as it does when it refuses an answer
        if drop is None:
            return
        if site.stall:
            self.server.released.wait(5)  # type: ignore[attr-defined]
        elif site.reset:
            time.sleep(0.05)  # let the client read what was sent before the reset discards it
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()


class Server:
    """A server on a free local port; ``sites`` maps paths to what stands there."""

    def __init__(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._http.sites = self.sites = {}  # type: ignore[attr-defined]
        self._http.released = threading.Event()  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def put(self, path: str, body: bytes, **how: object) -> tuple[str, Site]:
        """Serve a body at a path; returns its url and what is known of it."""
        site = self.sites[path] = Site(body, **how)  # type: ignore[arg-type]
        return self.url(path), site

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"

    def close(self) -> None:
        self._http.released.set()  # type: ignore[attr-defined]
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server():
    """A misbehaving server."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def policy() -> Policy:
    """Little patience, so that tests are fast."""
    return Policy(
        attempts=3,
        first_wait=0.01,
        longest_wait=0.05,
        connect_timeout=2.0,
        read_timeout=0.4,
        lock_wait=0.2,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for partial files."""
    (tmp_path / "partial").mkdir()
    return tmp_path / "partial"


@pytest.fixture
def make_content():
    """`content`, for tests."""
    return content
