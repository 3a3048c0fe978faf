"""Tar archives: index, reading by position, deterministic packing."""

from __future__ import annotations

import io
import os
import re
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.containers.tar_index import (
    add_member,
    index_tar,
    new_tar,
    pack_directory,
    read_member,
)
from nasbase.errors import RawDataError

PATTERN = re.compile(r"(meta|\d{1,6})\.pickle\.pbz2")


def info(name, size=0, **fields):
    entry = tarfile.TarInfo(name)
    entry.size = size
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry


def write(path, *entries, form=tarfile.GNU_FORMAT):
    with tarfile.open(path, "w", format=form) as archive:
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return path


def read_all(path):
    with path.open("rb") as file:
        return {
            member.name: read_member(file.fileno(), member.offset, member.size, where="x")
            for member in index_tar(path, PATTERN)
        }


MEMBERS = st.dictionaries(
    st.integers(0, 999_999).map(lambda i: f"{i:06d}.pickle.pbz2"),
    st.binary(max_size=1500),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(
    members=MEMBERS,
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    top=st.sampled_from(["NATS-x-simple/", "", "./", "./NATS/", "long" * 40 + "/"]),
)
def test_every_member_is_found_where_it_is(tmp_path_factory, members, form, top):
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    if form == tarfile.USTAR_FORMAT and len(top) > 100:
        top = "short/"
    entries = [(info(top + name, len(data)), data) for name, data in members.items()]
    assert read_all(write(path, *entries, form=form)) == members


def test_folders_and_hidden_files_are_passed_over(tmp_path):
    path = write(
        tmp_path / "x.tar",
        (info("top", type=tarfile.DIRTYPE), b""),
        (info("top/._000001.pickle.pbz2", 3), b"abc"),
        (info("top/000001.pickle.pbz2", 3), b"abc"),
    )
    assert read_all(path) == {"000001.pickle.pbz2": b"abc"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([info("top/readme.txt")], "does not belong"),
        ([info("top/000001.pickle.pbz2.exe")], "does not belong"),
        ([info("/etc/000001.pickle.pbz2")], "leads elsewhere"),
        ([info("top/../000001.pickle.pbz2")], "leads elsewhere"),
        ([info("../000001.pickle.pbz2")], "leads elsewhere"),
        (
            [info("t/000001.pickle.pbz2", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
            "else than files",
        ),
        ([info("t/1.pickle.pbz2", type=tarfile.LNKTYPE, linkname="x")], "else than files"),
        ([info("t/000001.pickle.pbz2", type=tarfile.CHRTYPE)], "else than files"),
        ([info("t/000001.pickle.pbz2", type=tarfile.FIFOTYPE)], "else than files"),
        ([info("t/000001.pickle.pbz2")] * 2, "a file twice"),
        ([info("a/1.pickle.pbz2"), info("b/2.pickle.pbz2")], "more than one folder"),
    ],
)
def test_hostile_tars(tmp_path, entries, message):
    path = write(tmp_path / "bad.tar", *((entry, b"") for entry in entries))
    with pytest.raises(RawDataError, match=message) as caught:
        index_tar(path, PATTERN)
    text = str(caught.value)
    assert "where: bad.tar, byte " in text
    assert all(label in text for label in ("expected: ", "found: ", "what to do: "))


def test_sparse_members_are_refused(tmp_path):
    headers = {"GNU.sparse.map": "0,3", "GNU.sparse.size": "100", "GNU.sparse.numblocks": "1"}
    entry = info("t/000001.pickle.pbz2", 3, pax_headers=headers)
    path = write(tmp_path / "bad.tar", (entry, b"abc"), form=tarfile.PAX_FORMAT)
    with pytest.raises(RawDataError, match="else than files"):
        index_tar(path, PATTERN)


def test_every_truncation_is_noticed(tmp_path):
    whole = tmp_path / "whole.tar"
    with new_tar(whole) as archive:
        for index in range(3):
            add_member(archive, f"top/{index}.pickle.pbz2", bytes([65 + index]) * 700)
    data = whole.read_bytes()
    end = 3 * (512 + 1024)
    cut = tmp_path / "cut.tar"
    for size in [0, 1, 511, 512, 600, 1536, 2000, 3 * 512, end - 1, end, end + 511]:
        cut.write_bytes(data[:size])
        with pytest.raises(RawDataError):
            index_tar(cut, PATTERN)
    cut.write_bytes(data[: end + 512])
    assert len(index_tar(cut, PATTERN)) == 3


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    path = tmp_path / "x.tar"
    with new_tar(path) as archive:
        for index in range(3):
            add_member(archive, f"top/{index}.pickle.pbz2", b"abc")
    data = bytearray(path.read_bytes())
    data[1024 + 5] ^= 1  # in the name of the second member
    path.write_bytes(data)
    with pytest.raises(RawDataError, match=r"does not end where its members end|not a whole"):
        index_tar(path, PATTERN)


@pytest.mark.parametrize("content", [b"<html>quota exceeded</html>" * 50, b"BZh91AY" * 200])
def test_another_file_is_not_a_tar(tmp_path, content):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(RawDataError, match="not a whole, uncompressed tar"):
        index_tar(path, PATTERN)


def test_a_member_beyond_the_end_is_noticed(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    with path.open("rb") as file:
        assert read_member(file.fileno(), 2, 4, where="x") == b"cdef"
        with pytest.raises(RawDataError, match="ends inside a member"):
            read_member(file.fileno(), 2, 5, where="x")


# ---------------------------------------------------------------------------------------------
# packing


@settings(deadline=None, max_examples=20)
@given(members=MEMBERS)
def test_packing_depends_on_names_and_contents_alone(tmp_path_factory, members):
    base = tmp_path_factory.mktemp("pack")
    tars = []
    for number, names in enumerate([list(members), sorted(members, reverse=True)]):
        folder = base / str(number) / "NATS-simple"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(members[name])
            os.utime(folder / name, (number, number))
            (folder / name).chmod(0o600 if number else 0o664)
        (folder / ".DS_Store").write_bytes(b"x")
        tars.append(base / f"{number}.tar")
        pack_directory(folder, tars[-1], PATTERN)
    assert tars[0].read_bytes() == tars[1].read_bytes()
    assert read_all(tars[0]) == members
    with tarfile.open(tars[0]) as archive:
        assert archive.getnames() == [f"NATS-simple/{name}" for name in sorted(members)]


def test_a_directory_with_other_files_is_refused(tmp_path):
    folder = tmp_path / "NATS"
    folder.mkdir()
    with pytest.raises(RawDataError, match="does not hold"):
        pack_directory(folder, tmp_path / "x.tar", PATTERN)
    (folder / "000001.pickle.pbz2").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    (folder / "000002.pickle.pbz2").mkdir()
    with pytest.raises(RawDataError) as caught:
        pack_directory(folder, tmp_path / "x.tar", PATTERN)
    assert "000002.pickle.pbz2, notes.txt" in str(caught.value)
