import os
import threading

import pytest

import nasbase.staging
from nasbase.staging import replace_folder, staged_file, staged_folder


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
