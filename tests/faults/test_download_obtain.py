"""Obtaining releases from servers: mirrors, refusals, locks, jobs that are killed or run twice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import gdown
import pytest
import yaml

from nasbase.errors import DiskSpaceError, SourceError
from nasbase.sources.obtain import fetch_release
from nasbase.sources.table import SourcesTable

MB = 1 << 20
DRIVE_ID = "1vzyK0UVH2D3fTpa1_dSWnp1gvGpAxRul"


@pytest.fixture
def fetch(tmp_path, policy):
    """Fetch a release of one file (``urls`` and whatever else the row says)."""

    def run(*urls, lines=None, **row):
        table = tmp_path / "sources.yaml"
        file = {"name": "f.bin", "urls": list(urls), "manual": "Ask the authors.", **row}
        table.write_text(yaml.safe_dump({"nds": {"1": {"status": "latest", "files": [file]}}}))
        raw = fetch_release(
            SourcesTable.load(table),
            "nds",
            store_dir=tmp_path / "store",
            raw_dir=tmp_path / "raw",
            policy=policy,
            log=(lines if lines is not None else []).append,
        )
        return raw.files[0]

    return run


def stored(tmp_path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "store").iterdir() if p.is_file())


def test_the_next_mirror_is_asked_when_one_fails(fetch, server, make_content, tmp_path):
    body, lines = make_content(2 * MB), []
    sha = hashlib.sha256(body).hexdigest()
    dead, _ = server.put("/dead", b"", first=[(404, {})])
    busy, _ = server.put("/busy", b"", first=[(503, {})] * 3)
    page, _ = server.put("/page", b"<html>log in</html>", kind="text/html")
    wrong, _ = server.put("/wrong", make_content(2 * MB, 1))
    good, site = server.put("/good", body)
    never, unused = server.put("/never", body)
    file = fetch(dead, busy, page, wrong, good, never, sha256=sha, lines=lines)
    assert file.path.read_bytes() == body
    assert stored(tmp_path) == [sha]
    assert list((tmp_path / "store" / ".partial").iterdir()) == []
    assert len(site.requests) == 1
    assert unused.requests == []
    told = "\n".join(lines)
    for url, why in ((dead, "404"), (busy, "503"), (page, "web page"), (wrong, sha)):
        assert any(line.startswith(url) and why in line for line in told.split("\n"))


def test_all_failures_are_one_error(fetch, server, monkeypatch, tmp_path):
    def quota(**_):
        raise gdown.exceptions.FileURLRetrievalError("Too many users have viewed this file")

    monkeypatch.setattr(gdown, "download", quota)
    dead, _ = server.put("/dead", b"", first=[(403, {})])
    with pytest.raises(SourceError) as caught:
        fetch(f"gdrive:{DRIVE_ID}", dead, "file:nowhere")
    error = caught.value
    assert error.what == "No place gave f.bin of nds 1."
    failures = error.found.strip().split("\n")
    assert [f.strip().split(": ")[0] for f in failures] == [
        f"- gdrive:{DRIVE_ID}",
        f"- {dead}",
        "- file:nowhere",
    ]
    assert "Too many users" in failures[0]
    assert "403" in failures[1]
    assert error.todo.endswith("and run again. Ask the authors.")
    assert stored(tmp_path) == []


def test_drive_goes_the_whole_way(fetch, monkeypatch, tmp_path, make_content):
    body = make_content(1000)

    def give(*, output, **_):
        with open(output, "wb") as out:
            out.write(body)

    monkeypatch.setattr(gdown, "download", give)
    file = fetch(f"gdrive:{DRIVE_ID}", md5_suffix=hashlib.md5(body).hexdigest()[-6:])
    assert file.path.read_bytes() == body
    assert stored(tmp_path) == [file.sha256]
    assert list((tmp_path / "store" / ".partial").iterdir()) == []
    lock = yaml.safe_load((tmp_path / "sources.lock.yaml").read_text())
    assert lock["nds"]["1"]["f.bin"]["url"] == f"gdrive:{DRIVE_ID}"


def test_the_lock_is_enforced_on_downloads(fetch, server, make_content, tmp_path):
    url, _ = server.put("/f", make_content(1000, 1))
    first = fetch(url)
    (tmp_path / "store" / first.sha256).unlink()
    server.put("/f", make_content(1000, 2))
    with pytest.raises(SourceError) as caught:
        fetch(url)
    assert "the lock file" in caught.value.found
    assert "delete the entry nds/1/f.bin" in caught.value.found
    assert stored(tmp_path) == []
    server.put("/f", make_content(1000, 1))
    assert fetch(url).sha256 == first.sha256


def test_content_length_counts_for_the_disk(fetch, server, monkeypatch, tmp_path, make_content):
    import collections

    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 1000))
    url, _ = server.put("/f", make_content(1001))
    with pytest.raises(DiskSpaceError) as caught:
        fetch(url)
    assert "1 kB (1,001 bytes) free for nds" in caught.value.expected
    assert stored(tmp_path) == []


SCRIPT = """
    import logging, sys
    from pathlib import Path
    from nasbase.sources.obtain import fetch_release
    from nasbase.sources.table import SourcesTable
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    root = Path(sys.argv[1])
    table = SourcesTable.load(root / "sources.yaml")
    fetch_release(table, "nds", store_dir=root / "store", raw_dir=root / "raw")
"""


def job(tmp_path) -> subprocess.Popen:
    code = textwrap.dedent(SCRIPT)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )


def write_table(tmp_path, url) -> None:
    rows = {"status": "latest", "files": [{"name": "f.bin", "urls": [url]}]}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"nds": {"1": rows}}))


def arrived(tmp_path) -> int:
    return sum(p.stat().st_size for p in (tmp_path / "store" / ".partial").glob("*.part"))


def test_a_killed_fetch_leaves_nothing_but_a_partial_file(fetch, server, make_content, tmp_path):
    body = make_content(6 * MB)
    url, site = server.put("/f", body, pause=0.02)
    write_table(tmp_path, url)
    process = job(tmp_path)
    deadline = time.monotonic() + 20
    while not ((tmp_path / "store").exists() and arrived(tmp_path) > MB):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = arrived(tmp_path)
    assert MB < left < len(body)
    assert stored(tmp_path) == []
    assert not (tmp_path / "raw").exists()
    assert not (tmp_path / "sources.lock.yaml").exists()
    site.pause = 0
    assert fetch(url).path.read_bytes() == body
    assert site.ranges_asked[-1] == f"bytes={left}-"


def test_two_jobs_at_once_get_the_same_file(server, make_content, tmp_path):
    body = make_content(3 * MB)
    url, site = server.put("/f", body, pause=0.01)
    write_table(tmp_path, url)
    jobs = [job(tmp_path) for _ in range(2)]
    for process in jobs:
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert (tmp_path / "raw" / "nds" / "1-unpinned" / "f.bin").read_bytes() == body
    assert stored(tmp_path) == [hashlib.sha256(body).hexdigest()]
    assert 1 <= len(site.requests) <= 2
    assert os.listdir(tmp_path / "store" / ".partial") == []


def test_lines_reach_the_log(server, make_content, tmp_path):
    url, _ = server.put("/f", make_content(3 * MB), drops=[MB, None])
    write_table(tmp_path, url)
    out, _ = job(tmp_path).communicate(timeout=30)
    assert "f.bin: 100 % of 3.15 MB" in out
    assert "next attempt in 1 s, from byte" in out
    assert f"bytes from {url}, SHA-256" in out
