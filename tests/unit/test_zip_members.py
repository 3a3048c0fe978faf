"""Members of zip archives: good ones are streamed whole, hostile ones are refused."""

from __future__ import annotations

import re
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.containers.zip_members import ZipMember, open_member, read_index
from nasbase.errors import RawDataError

JSON = re.compile(r"(?:.*/)?[^/]*\.json")


@pytest.fixture
def write(tmp_path):
    def write_archive(members, method=zipfile.ZIP_DEFLATED, name="a.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", method) as archive:
            for member, data in members:
                archive.writestr(zipfile.ZipInfo(member), data, method)
        return path

    return write_archive


def read_all(path, name, size=1000):
    member = next(m for m in read_index(path, JSON).matching if m.name == name)
    with open_member(path, member) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


def refused(call, *parts):
    with pytest.raises(RawDataError) as caught:
        call()
    error = caught.value
    assert error.where
    assert error.expected
    assert error.todo
    for part in parts:
        assert part in str(error)
    return error


def patched(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path


@given(st.binary(max_size=3000), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_content_is_streamed_as_it_is(tmp_path_factory, data, method):
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("d/a.json", data, method)
    assert read_all(path, "d/a.json", size=700) == data


def test_index_by_pattern_without_macos_junk(write):
    path = write(
        [
            ("nds_data/", b""),
            ("nds_data/a.json", b"[]"),
            ("__MACOSX/nds_data/._a.json", b"junk"),
            ("nds_data/.DS_Store", b"junk"),
            ("README.md", b"text"),
        ]
    )
    index = read_index(path, JSON)
    assert index.matching == (ZipMember("nds_data/a.json", 2),)
    assert index.others == ("README.md",)


@pytest.mark.parametrize(
    "name", ["/etc/a.json", "../a.json", "x/../../a.json", "C:/a.json", "x\\..\\a.json"]
)
def test_names_that_lead_out_are_refused(write, name):
    path = write([(name, b"[]")])
    refused(lambda: read_index(path, JSON), "stays inside the archive", repr(name))


def test_a_name_twice_is_refused(write):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write([("a.json", b"[]"), ("a.json", b"[1]")])
    refused(lambda: read_index(path, JSON), "each name once", "'a.json'")


def test_encrypted_members_are_refused(write):
    path = write([("a.json", b"[]")])
    directory = path.read_bytes().index(b"PK\x01\x02")
    data = bytearray(path.read_bytes())
    data[directory + 8] |= 1
    path.write_bytes(data)
    refused(lambda: read_index(path, JSON), "no encryption", "'a.json'")


def test_unusual_compression_is_refused(write):
    path = write([("a.json", b"[]")], method=zipfile.ZIP_BZIP2)
    refused(lambda: read_index(path, JSON), "stored or deflated")


def test_decompressed_size_is_bounded(write):
    path = write([("a.json", b" " * 10_001)])
    refused(lambda: read_index(path, JSON, max_bytes=10_000), "at most 10000 bytes", "10001")
    assert read_index(path, JSON, max_bytes=10_001).matching[0].bytes == 10_001


def test_members_that_share_bytes_are_refused(write):
    path = write([("a.json", bytes(range(256)) * 40)], method=zipfile.ZIP_STORED)
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[start:end]
    other = entry.replace(b"a.json", b"b.json")
    tail = bytearray(data[end:])
    struct.pack_into("<HHL", tail, 8, 2, 2, 2 * len(entry))
    path.write_bytes(data[:start] + entry + other + bytes(tail))
    refused(lambda: read_index(path, JSON), "overlap")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_flipped_bytes_are_found_at_the_end(write, method):
    path = write([("d/a.json", b"0123456789" * 500 + b"needle")], method=method)
    data = bytearray(path.read_bytes())
    data[data.index(b"a.json") + len("a.json") + 4] ^= 0x55
    path.write_bytes(data)
    error = refused(lambda: read_all(path, "d/a.json"), "cannot be read")
    assert "a.zip, member d/a.json, decompressed byte" in error.where


def test_a_lie_about_the_size_is_found(write):
    path = write([("a.json", b"x" * 5000)])
    patched(path, struct.pack("<L", 5000), struct.pack("<L", 6000))
    refused(lambda: read_all(path, "a.json"), "cannot be read")


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\xff" * 18]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    refused(lambda: read_index(path, JSON), "not a readable zip archive")


@given(st.integers(0, 10_000))
def test_truncated_archives_are_refused(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", bytes(range(256)) * 8)
    data = path.read_bytes()
    path.write_bytes(data[: cut % len(data)])
    refused(lambda: read_all(path, "a.json"))


def test_local_header_that_names_another_member(write):
    path = write([("a.json", b"[]")])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"a.json", b"b.json", 1))
    member = read_index(path, JSON).matching[0]
    with pytest.raises(RawDataError, match="cannot be opened"), open_member(path, member):
        pass
