"""The store, free disk, progress and the list of fetched files."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.errors import DiskSpaceError, SourceError
from nasbase.sources import store as store_module
from nasbase.sources.digest import Expected, Measured, measure
from nasbase.sources.disk import check_free_disk, full_disk_is_an_error_of_ours, human
from nasbase.sources.fetched import ensure_linked, read_fetched, write_fetched
from nasbase.sources.progress import Progress
from nasbase.sources.store import Store

BODY = b"some bytes"
SHA = hashlib.sha256(BODY).hexdigest()


def fine(_: Measured) -> None:
    """A check that finds nothing."""


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "mine.bin"
    path.write_bytes(BODY)
    return path


def everything(store: Store) -> list[str]:
    return sorted(str(p.relative_to(store.folder)) for p in store.folder.rglob("*") if p.is_file())


# ---------------------------------------------------------------- store


def test_add_copies_and_measures(store, source):
    measured = store.add(source, fine)
    assert measured == Measured(len(BODY), SHA, hashlib.md5(BODY).hexdigest())
    assert measured == measure(source)
    assert store.has(SHA)
    stored = store.path(SHA)
    assert stored.read_bytes() == BODY
    assert stored.stat().st_mode & 0o777 == 0o444
    assert not stored.samefile(source)  # a user's file is never linked into the store
    assert source.stat().st_nlink == 1
    assert everything(store) == [SHA]


def test_a_wrong_file_never_gets_into_the_store(store, source):
    with pytest.raises(SourceError):
        store.add(source, lambda m: Expected(sha256="0" * 64).check(m, source))
    assert everything(store) == []
    assert source.read_bytes() == BODY


def test_what_a_killed_copy_has_left_is_overwritten(store, source):
    (store.partial / "mine.bin.copy").write_bytes(b"x" * 1000)
    assert store.add(source, fine).sha256 == SHA
    assert everything(store) == [SHA]


def test_link_shares_the_bytes(store, source, tmp_path):
    store.add(source, fine)
    dest = tmp_path / "raw" / "nds" / "1-unpinned" / "data.zip"
    store.link(SHA, dest)
    assert dest.samefile(store.path(SHA))
    before = dest.lstat()
    store.link(SHA, dest)
    assert dest.lstat() == before
    assert [p.name for p in dest.parent.iterdir()] == ["data.zip"]


def test_link_replaces_another_file(store, source, tmp_path):
    store.add(source, fine)
    dest = tmp_path / "data.zip"
    dest.write_bytes(b"old")
    store.link(SHA, dest)
    assert dest.read_bytes() == BODY


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def test_link_copies_where_there_are_no_hard_links(store, source, tmp_path, monkeypatch, code):
    store.add(source, fine)

    def refuse(*_):
        raise OSError(code, "no links here")

    monkeypatch.setattr(store_module.os, "link", refuse)
    dest = tmp_path / "raw" / "data.zip"
    store.link(SHA, dest)
    assert dest.read_bytes() == BODY
    assert dest.stat().st_nlink == 1
    assert dest.stat().st_mode & 0o777 == 0o444
    assert [p.name for p in dest.parent.iterdir()] == ["data.zip"]


def test_link_hides_no_other_error(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        store.link(SHA, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_verify_sets_a_damaged_file_aside(store, source):
    store.add(source, fine)
    assert store.verify(SHA).sha256 == SHA
    store.path(SHA).chmod(0o644)
    store.path(SHA).write_bytes(b"rotten")
    with pytest.raises(SourceError) as caught:
        store.verify(SHA)
    assert caught.value.where == store.path(SHA)
    assert SHA in caught.value.expected
    assert hashlib.sha256(b"rotten").hexdigest() in caught.value.found
    assert not store.has(SHA)
    assert everything(store) == [f"{SHA}.damaged"]


def test_a_full_disk_while_copying(store, source, monkeypatch):
    def full(_path):
        yield b"some"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "chunks", full)
    with pytest.raises(DiskSpaceError, match="became full") as caught:
        store.add(source, fine)
    assert caught.value.where == store.folder
    assert everything(store) == []


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=200))
def test_store_and_link_keep_every_byte(tmp_path_factory, body):
    folder = tmp_path_factory.mktemp("store")
    (folder / "x").write_bytes(body)
    store = Store(folder / "store")
    sha = store.add(folder / "x", fine).sha256
    store.link(sha, folder / "raw" / "x")
    assert (folder / "raw" / "x").read_bytes() == body
    assert sha == hashlib.sha256(body).hexdigest()


# ---------------------------------------------------------------- expectations


def test_expected_compares_each_thing_it_knows():
    measured = Measured(10, SHA, "0" * 27 + "3ffb9")
    Expected().check(measured, "here")
    Expected(10, SHA, "3ffb9").check(measured, "here")
    for wrong in (Expected(bytes=11), Expected(sha256="0" * 64), Expected(md5_suffix="3ffb8")):
        with pytest.raises(SourceError) as caught:
            wrong.check(measured, "here")
        assert caught.value.where == "here"
        assert "the sources table says" in caught.value.what
        assert caught.value.expected != caught.value.found


# ---------------------------------------------------------------- disk


def test_enough_disk(tmp_path):
    check_free_disk(tmp_path / "not" / "there" / "yet", {"nb101": 1}, purpose="a test")


def test_too_little_disk_names_every_benchmark(tmp_path):
    needs = {"nb101": 10**18, "nb201": 2 * 10**18}
    with pytest.raises(DiskSpaceError) as caught:
        check_free_disk(tmp_path / "store", needs, purpose="the build")
    error = caught.value
    assert "the build" in error.what
    assert error.where == tmp_path / "store"
    assert "3 EB" in error.expected
    assert "nb101 1 EB (1,000,000,000,000,000,000 bytes)" in error.expected
    assert "nb201 2 EB" in error.expected
    assert "free" in error.found
    assert "Make room" in error.todo


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB (1,000 bytes)"),
        (4_700_000_000, "4.7 GB (4,700,000,000 bytes)"),
    ],
)
def test_human_sizes(size, text):
    assert human(size) == text


def test_other_errors_of_the_disk_pass(tmp_path):
    with (
        pytest.raises(OSError, match="broken"),
        full_disk_is_an_error_of_ours(tmp_path, "testing"),
    ):
        raise OSError(errno.EIO, "broken")
    with (
        pytest.raises(DiskSpaceError),
        full_disk_is_an_error_of_ours(tmp_path, "testing"),
    ):
        raise OSError(errno.EDQUOT, "quota")


# ---------------------------------------------------------------- progress


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=80))
def test_a_log_has_at_most_one_line_per_tenth(steps):
    lines, total, position = [], sum(steps), 0
    with Progress("f", lines.append) as progress:
        for step in steps:
            position += step
            progress.at(position, total)
    assert len(lines) <= 10
    assert lines[-1].startswith("f: 100 % of")


def test_progress_of_unknown_size_and_on_a_terminal(monkeypatch, capsys):
    lines = []
    with Progress("f", lines.append) as progress:
        for position in range(0, 10**9, 10**7):
            progress.at(position, None)
    assert lines == [
        "f: 250 MB (250,000,000 bytes)",
        "f: 500 MB (500,000,000 bytes)",
        "f: 750 MB (750,000,000 bytes)",
    ]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress("bar", lines.append) as progress:
        progress.at(5, 10)
        progress.at(0, 10)
        progress.at(10, 10)
    assert len(lines) == 3
    assert "bar: 100%" in capsys.readouterr().err


# ---------------------------------------------------------------- fetched.json


@pytest.fixture
def raw(store, source, tmp_path) -> RawRelease:
    store.add(source, fine)
    path = tmp_path / "raw" / "nats_tss" / "1.0-3ffb9" / "x-simple.tar"
    store.link(SHA, path)
    return RawRelease(
        "nats_tss",
        "1.0",
        (RawFile(path.name, path, "dir", len(BODY), SHA),),
        partial=True,
        synthetic=False,
    )


def test_fetched_round_trip(raw, tmp_path):
    path = tmp_path / "raw" / "nats_tss" / "1.0-3ffb9" / "fetched.json"
    write_fetched(path, raw)
    assert read_fetched(path) == raw
    document = json.loads(path.read_text())
    assert list(document) == sorted(document)
    assert document["files"][0]["path"] == "x-simple.tar"
    assert document["partial"] is True
    assert document["synthetic"] is False
    before = path.read_bytes()
    write_fetched(path, raw)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["fetched.json", "x-simple.tar"]


def test_fetched_may_stand_elsewhere_and_move_with_its_files(raw, tmp_path):
    write_fetched(tmp_path / "build" / "fetched.json", raw)
    (tmp_path / "raw").rename(tmp_path / "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "old").rename(tmp_path / "new" / "raw")
    (tmp_path / "build").rename(tmp_path / "new" / "build")
    moved = read_fetched(tmp_path / "new" / "build" / "fetched.json")
    assert moved.files[0].path.read_bytes() == BODY


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": [{}]}', '{"files": 5}', "5"])
def test_a_damaged_list(tmp_path, text):
    path = tmp_path / "fetched.json"
    path.write_text(text)
    with pytest.raises(SourceError) as caught:
        read_fetched(path)
    assert caught.value.where == path
    assert f"rm -r '{tmp_path}'" in caught.value.todo


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_fetched(tmp_path / "fetched.json")


def test_a_deleted_raw_file_is_linked_again(raw, store):
    ensure_linked(raw, store)
    raw.files[0].path.unlink()
    ensure_linked(raw, store)
    assert raw.files[0].path.samefile(store.path(SHA))


def test_a_raw_file_that_is_gone_for_good(raw, store):
    raw.files[0].path.unlink()
    store.path(SHA).unlink()
    with pytest.raises(SourceError) as caught:
        ensure_linked(raw, store)
    assert caught.value.where == raw.files[0].path
    assert f"rm -r '{raw.files[0].path.parent}'" in caught.value.todo


def test_a_raw_file_that_was_changed(raw, store):
    path = raw.files[0].path
    path.unlink()
    path.write_bytes(b"other")
    with pytest.raises(SourceError) as caught:
        ensure_linked(raw, store)
    assert (caught.value.expected, caught.value.found) == ("10 bytes", "5 bytes")
