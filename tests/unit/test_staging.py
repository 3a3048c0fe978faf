import errno
import os
import shutil
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import nasbase.staging
from nasbase.staging import (
    SCRATCH_FACTOR,
    job_scratch,
    replace_folder,
    staged_file,
    staged_folder,
)


def test_a_failed_writer_leaves_nothing(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), staged_file(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "build"
    target.mkdir()
    (target / "x").write_text("old")
    with pytest.raises(RuntimeError), staged_folder(target) as temporary:  # noqa: PT012
        (temporary / "x").write_text("half")
        raise RuntimeError
    assert (target / "x").read_text() == "old"
    assert os.listdir(tmp_path) == ["build"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_whole(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(nasbase.staging.ctypes, "CDLL", lambda *_, **__: object())
    target = tmp_path / "build"
    for text in ("first", "second"):
        with staged_folder(target) as temporary:
            (temporary / "x").write_text(text)
            (temporary / text).write_text("")
        assert (target / "x").read_text() == text
    assert sorted(os.listdir(target)) == ["second", "x"]
    assert os.listdir(tmp_path) == ["build"]


def test_an_open_reader_keeps_what_it_opened(tmp_path):
    target = tmp_path / "build"
    with staged_folder(target) as temporary:
        (temporary / "x").write_text("first")
    with (target / "x").open() as reader:
        with staged_folder(target) as temporary:
            (temporary / "x").write_text("second")
        assert reader.read() == "first"


def test_who_looks_meanwhile_always_finds_a_whole_folder(tmp_path):
    target = tmp_path / "build"
    with staged_folder(target) as temporary:
        (temporary / "x").write_text("0")
    missing = []
    done = threading.Event()

    def look():
        while not done.is_set():
            try:
                (target / "x").read_text()
            except FileNotFoundError as error:
                missing.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(200):
        with staged_folder(target) as temporary:
            (temporary / "x").write_text(str(number))
    done.set()
    reader.join()
    assert not missing


def test_two_writers_at_once_do_not_mix(tmp_path):
    target = tmp_path / "build"
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        (folder / folder.name).write_text("")
    replace_folder(first, target)
    replace_folder(second, target)
    assert os.listdir(target) == ["2"]


# ---------------------------------------------------------------------------------------------
# scratch


@pytest.fixture
def memory():
    """A folder on another file system than the one of temporary files."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm that can be written")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_a_file_grows_in_the_scratch_and_is_moved(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    target = tmp_path / "shared" / "a.sqlite"
    with staged_file(target, scratch) as temporary:
        assert temporary.parent == scratch
        temporary.write_text("whole")
        assert os.listdir(target.parent) == []
    assert target.read_text() == "whole"
    assert (os.listdir(target.parent), os.listdir(scratch)) == (["a.sqlite"], [])


def test_a_move_to_another_file_system_is_a_copy_and_a_rename(tmp_path, memory, monkeypatch):
    if tmp_path.stat().st_dev == memory.stat().st_dev:
        pytest.skip("one file system only")
    target = tmp_path / "a.sqlite"
    target.write_text("old")
    seen = []

    def copyfile(source, to):
        seen.append((Path(to).parent, Path(to).name, target.read_text()))
        return copied(source, to)

    copied = shutil.copyfile
    monkeypatch.setattr(nasbase.staging.shutil, "copyfile", copyfile)
    with staged_file(target, memory) as temporary:
        temporary.write_text("new")
    ((folder, name, meanwhile),) = seen
    assert folder == tmp_path
    assert name not in ("a.sqlite", temporary.name)
    assert meanwhile == "old"
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o644
    assert (os.listdir(tmp_path), os.listdir(memory)) == (["a.sqlite"], [])


def test_a_copy_that_fails_leaves_the_old_file(tmp_path, memory, monkeypatch):
    if tmp_path.stat().st_dev == memory.stat().st_dev:
        pytest.skip("one file system only")
    target = tmp_path / "a.sqlite"
    target.write_text("old")

    def full(source, to):
        Path(to).write_text("ha")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(nasbase.staging.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"), staged_file(target, memory) as temporary:
        temporary.write_text("half a file")
    assert target.read_text() == "old"
    assert (os.listdir(tmp_path), os.listdir(memory)) == (["a.sqlite"], [])


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "parquet"
    folder.mkdir()
    (folder / "curves.parquet").write_bytes(bytes(1000))
    return folder


def test_scratch_is_for_batch_jobs(tables, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("SLURM_JOB_ID", "SLURM_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    assert job_scratch(tables) is None
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert job_scratch(tables) == tmp_path
    monkeypatch.setenv("SLURM_TMPDIR", str(tables))
    assert job_scratch(tables) == tables


def test_a_small_scratch_is_not_used(tables, monkeypatch, caplog):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    free = SCRATCH_FACTOR * 1000
    for left, used in ((free, True), (free - 1, False)):
        usage = SimpleNamespace(free=left)
        monkeypatch.setattr(nasbase.staging.shutil, "disk_usage", lambda _, found=usage: found)
        assert (job_scratch(tables) is not None) == used
    assert "9,999 bytes free and 10,000 may be needed" in caplog.text
