"""The lock file: first sight records, everything later compares."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.errors import ConfigError, SourceError
from nasbase.sources.digest import Measured, Meter
from nasbase.sources.lock import Entry, Lock
from nasbase.sources.locking import hold


def seen(body: bytes) -> Measured:
    meter = Meter()
    meter.update(body)
    return meter.measured()


ONE, TWO = seen(b"one"), seen(b"two")


@pytest.fixture
def lock(tmp_path) -> Lock:
    return Lock(tmp_path / "sources.yaml")


def test_it_stands_beside_the_table(lock, tmp_path):
    assert lock.path == tmp_path / "sources.lock.yaml"
    assert Lock(Path("x/my.table.yml")).path == Path("x/my.table.lock.yaml")


def test_first_sight_records_and_later_sight_compares(lock):
    assert lock.get("nds", "1", "data.zip") is None
    lock.record("nds", "1", "data.zip", ONE, "https://host/data.zip")
    entry = lock.get("nds", "1", "data.zip")
    assert entry == Entry(ONE.sha256, 3, ONE.md5, "https://host/data.zip")
    before = lock.path.read_bytes()
    lock.record("nds", "1", "data.zip", ONE, "drop-in")  # the first place is kept
    assert lock.path.read_bytes() == before
    with pytest.raises(SourceError) as caught:
        lock.record("nds", "1", "data.zip", TWO, "https://other/data.zip")
    error = caught.value
    assert error.where == "https://other/data.zip"
    assert ONE.sha256 in error.expected
    assert TWO.sha256 in error.found
    assert f"delete the entry nds/1/data.zip in {lock.path}" in error.todo
    assert "pin the new sha256 in the sources table" in error.todo
    assert lock.path.read_bytes() == before


def test_the_file_is_for_people_too(lock):
    lock.record("nb201", "1.1", "x.pth", ONE, "gdrive:abc")
    lock.record("nb101", "full", "a", TWO, "drop-in")
    text = lock.path.read_text()
    assert text.startswith("# Digests of upstream files")
    assert "delete its entry here" in text
    assert text.index("nb101:") < text.index("nb201:")
    assert yaml.safe_load(text)["nb201"]["1.1"]["x.pth"]["md5"] == ONE.md5
    assert [p.name for p in lock.path.parent.iterdir()] == ["sources.lock.yaml"]


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=8)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.tuples(NAME, NAME, NAME), st.binary(max_size=3), max_size=5), NAME)
def test_everything_recorded_is_found_again(tmp_path_factory, files, url):
    lock = Lock(tmp_path_factory.mktemp("lock") / "t.yaml")
    for key, body in files.items():
        lock.record(*key, seen(body), url)
    for key, body in files.items():
        assert lock.get(*key) == Entry(**{**_fields(seen(body)), "url": url})


def _fields(measured: Measured) -> dict:
    return {"sha256": measured.sha256, "bytes": measured.bytes, "md5": measured.md5}


def test_the_order_of_recording_does_not_matter(tmp_path):
    texts = []
    for i, order in enumerate((("a", "b"), ("b", "a"))):
        lock = Lock(tmp_path / f"{i}.yaml")
        for name in order:
            lock.record("nds", "1", name, seen(name.encode()), "u")
        texts.append(lock.path.read_text())
    assert texts[0] == texts[1]


def test_parallel_jobs_lose_no_entry(lock):
    script = f"""
        import sys
        from pathlib import Path
        from nasbase.sources.digest import Measured
        from nasbase.sources.lock import Lock
        lock = Lock(Path({str(lock.path.with_name("sources.yaml"))!r}))
        for i in range(12):
            lock.record(sys.argv[1], "1", f"f{{i}}", Measured(i, "a" * 64, "b" * 32), "u")
    """
    code = textwrap.dedent(script)
    jobs = [subprocess.Popen([sys.executable, "-c", code, f"job{i}"]) for i in range(4)]
    assert [job.wait() for job in jobs] == [0, 0, 0, 0]
    content = yaml.safe_load(lock.path.read_text())
    assert {job: len(rows["1"]) for job, rows in content.items()} == {
        f"job{i}": 12 for i in range(4)
    }
    assert [p.name for p in lock.path.parent.iterdir()] == ["sources.lock.yaml"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written(lock, monkeypatch, code):
    def refuse(*_args, **_keys):
        raise OSError(code, "no writing here")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(SourceError) as caught:
        lock.record("nds", "1", "data.zip", ONE, "u")
    assert caught.value.where == lock.path
    assert caught.value.found == "no writing here"
    assert f"sha256: {ONE.sha256}" in caught.value.todo


def test_nothing_is_written_where_the_entry_is_there_already(lock, monkeypatch):
    lock.record("nds", "1", "data.zip", ONE, "u")
    monkeypatch.setattr("os.open", None)  # any attempt to write would fail
    lock.record("nds", "1", "data.zip", ONE, "u")


def test_a_failed_write_leaves_the_old_file(lock, monkeypatch):
    lock.record("nds", "1", "a", ONE, "u")
    before = lock.path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(SourceError, match="cannot be recorded"):
        lock.record("nds", "1", "b", ONE, "u")
    assert lock.path.read_bytes() == before
    assert [p.name for p in lock.path.parent.iterdir()] == ["sources.lock.yaml"]


def test_an_empty_lock_file_is_that_of_a_job_that_has_just_begun(lock):
    lock.path.touch()
    assert lock.get("nds", "1", "a") is None


@pytest.mark.parametrize("text", ["[]", "nds: 5", "nds: {'1': 5}", "nds: [", "5"])
def test_a_damaged_lock_file(lock, text):
    lock.path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        lock.get("nds", "1", "a")
    assert caught.value.where == lock.path


@pytest.mark.parametrize(
    "change",
    [{"sha256": "0"}, {"md5": "x" * 32}, {"bytes": "3"}, {"url": None}, {"more": 1}],
)
def test_a_damaged_entry(lock, change):
    lock.record("nds", "1", "a", ONE, "u")
    content = yaml.safe_load(lock.path.read_text())
    content["nds"]["1"]["a"].update(change)
    lock.path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="damaged") as caught:
        lock.get("nds", "1", "a")
    assert "nds/1/a" in caught.value.where


# ---------------------------------------------------------------- the lock below it


def test_hold_waits_and_gives_up(tmp_path):
    path = tmp_path / "x"
    with hold(path), pytest.raises(TimeoutError), hold(path, wait_s=0.15):
        pass
    with hold(path, wait_s=0):
        pass


def test_hold_follows_a_file_that_was_replaced_meanwhile(tmp_path):
    path = tmp_path / "x"
    script = f"""
        from pathlib import Path
        from nasbase.sources.locking import hold
        print("waiting", flush=True)
        with hold(Path({str(path)!r})) as descriptor:
            import os
            print(os.read(descriptor, 10).decode())
    """
    with hold(path):
        job = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
        )
        assert job.stdout.readline() == "waiting\n"
        new = tmp_path / "new"
        new.write_text("second")
        new.replace(path)
    assert job.communicate(timeout=10)[0] == "second\n"


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_digests_do_not_depend_on_how_bytes_arrive(pieces):
    meter = Meter()
    for piece in pieces:
        meter.update(piece)
    body = b"".join(pieces)
    assert meter.measured() == Measured(
        len(body), hashlib.sha256(body).hexdigest(), hashlib.md5(body).hexdigest()
    )
