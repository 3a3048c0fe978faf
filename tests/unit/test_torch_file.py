"""Objects are found in both of PyTorch's containers, and nowhere else."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.containers.torch_file import locate, write_legacy, write_zip
from nasbase.errors import RawDataError

OBJECT = {"meta_archs": ["a"], "arch2infos": {0: {"x": 1.5}}}
WRITERS = {"legacy": write_legacy, "zip": write_zip}

# What torch.save wrote before its object until version 1.5, byte by byte.
LEGACY_HEAD = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e 80024de9032e") + (
    b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03"
    b"X\r\x00\x00\x00little_endianq\x02\x88"
    b"X\n\x00\x00\x00type_sizesq\x03}q\x04("
    b"X\x05\x00\x00\x00shortq\x05K\x02X\x03\x00\x00\x00intq\x06K\x04X\x04\x00\x00\x00longq\x07K\x04"
    b"uu."
)


def written(tmp_path, container, chunks=None):
    path = tmp_path / f"{container}.pth"
    with path.open("w+b") as out:
        WRITERS[container](out, chunks or [pickle.dumps(OBJECT, 2)])
    return path


@pytest.mark.parametrize("container", WRITERS)
def test_what_is_written_is_found(tmp_path, container):
    data = pickle.dumps(OBJECT, 2)
    path = written(tmp_path, container, [data[:10], data[10:]])
    found = locate(path)
    assert found.container == container
    with found.open() as stream:
        assert stream.read(len(data)) == data
    found.check_end(len(data))
    assert path.read_bytes()[found.offset : found.offset + len(data)] == data


def test_legacy_bytes_are_those_of_torch(tmp_path):
    data = pickle.dumps(OBJECT, 2)
    assert written(tmp_path, "legacy").read_bytes() == LEGACY_HEAD + data + b"\x80\x02]q\x00."


def test_zip_is_laid_out_as_torch_does(tmp_path):
    path = written(tmp_path, "zip")
    assert locate(path).offset % 64 == 0
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("archive/byteorder") == b"little"
        assert pickle.loads(archive.read("archive/data.pkl")) == OBJECT
        assert {"archive/version", "archive/.data/serialization_id"} <= set(archive.namelist())
    assert path.read_bytes() == written(tmp_path, "zip").read_bytes()


def test_a_zip_section_ends_with_its_member(tmp_path):
    with locate(written(tmp_path, "zip")).open() as stream:
        assert stream.read() == pickle.dumps(OBJECT, 2)
        assert stream.read(10) == b""


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded", "A web page came"),
        (b"\n  <HTML lang='en'>", "A web page came"),
        (b"", "no file of torch.save"),
        (b"SQLite format 3\x00", "no file of torch.save"),
        (b"PK\x03\x04 not a zip", "no whole zip"),
        (pickle.dumps(5, 2), "magic number"),
        (pickle.dumps("x", 2), "magic number"),
        (pickle.dumps(OBJECT, 2), "magic number"),
        (LEGACY_HEAD[:9], "damaged"),
        (LEGACY_HEAD[:15] + pickle.dumps(1000, 2), "protocol"),
        (LEGACY_HEAD.replace(b"\x88", b"\x89"), "not little-endian"),
        (LEGACY_HEAD[:15] + b"\x80\x02cos\nsystem\n.", "damaged"),
    ],
)
def test_other_files_are_named(tmp_path, content, what):
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    path.write_bytes(content)
    with pytest.raises(RawDataError, match=what) as error:
        locate(path)
    assert path.name in str(error.value.where)
    assert error.value.expected is not None
    assert error.value.found is not None
    assert error.value.todo


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        (b"", "damaged"),
        (pickle.dumps({}, 2), "no list of storage keys"),
        (pickle.dumps([3], 2), "no list of storage keys"),
        (pickle.dumps([], 2) + b"x", "Something follows"),
    ],
)
def test_what_follows_a_legacy_object_is_checked(tmp_path, tail, what):
    data = pickle.dumps(OBJECT, 2)
    path = tmp_path / "x.pth"
    path.write_bytes(LEGACY_HEAD + data + tail)
    with pytest.raises(RawDataError, match=what):
        locate(path).check_end(len(data))


def test_storages_may_follow_their_keys(tmp_path):
    data = pickle.dumps(OBJECT, 2)
    path = tmp_path / "x.pth"
    path.write_bytes(LEGACY_HEAD + data + pickle.dumps(["94000"], 2) + b"\x01" * 100)
    locate(path).check_end(len(data))


def test_a_longer_zip_member_is_an_error(tmp_path):
    found = locate(written(tmp_path, "zip"))
    with pytest.raises(RawDataError, match="more than its pickle"):
        found.check_end(found.size - 1)


def zip_of(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("members", "options", "what"),
    [
        ([("a/data.pkl", b"x" * 99)], {"compression": zipfile.ZIP_DEFLATED}, "compressed"),
        ([("a/other.pkl", b"")], {}, "no object, or several"),
        ([("data.pkl", b"")], {}, "no object, or several"),
        ([("a/b/data.pkl", b"")], {}, "no object, or several"),
        ([("a/data.pkl", b""), ("b/data.pkl", b"")], {}, "no object, or several"),
        ([("a/data.pkl", b""), ("a/byteorder", b"big")], {}, "not little-endian"),
        ([("a/data.pkl", b""), ("a/byteorder", b"b" * 99)], {}, "not a word"),
    ],
)
def test_other_zips_are_refused(tmp_path, members, options, what):
    with pytest.raises(RawDataError, match=what):
        locate(zip_of(tmp_path / "x.pth", members, **options))


def test_a_member_with_two_names_or_beyond_the_end_is_refused(tmp_path):
    path = zip_of(tmp_path / "x.pth", [("a/data.pkl", b"y" * 50)])
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"a/data.pkl", b"b/data.pkl", 1))
    with pytest.raises(RawDataError, match="two names"):
        locate(path)
    central = raw.index(b"PK\x01\x02")
    sizes = struct.pack("<II", 5000, 5000)
    path.write_bytes(raw[: central + 20] + sizes + raw[central + 28 :])
    with pytest.raises(RawDataError, match="beyond its end"):
        locate(path)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", LEGACY_HEAD[:21]])
)
def test_arbitrary_bytes_are_an_error_of_ours(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("t") / "x.pth"
    path.write_bytes(start + content)
    with pytest.raises(RawDataError):
        locate(path)


@pytest.mark.parametrize("container", WRITERS)
def test_truncated_files_are_errors(tmp_path, container):
    path = written(tmp_path, container)
    raw = path.read_bytes()
    size = len(pickle.dumps(OBJECT, 2))
    for cut in range(0, len(raw) - 1, 11):
        path.write_bytes(raw[:cut])
        with pytest.raises(RawDataError):
            locate(path).check_end(size)


def test_writing_needs_no_whole_pickle():
    chunks = (bytes([i]) * 1000 for i in range(100))
    out = io.BytesIO()
    write_zip(out, chunks)
    with zipfile.ZipFile(out) as archive:
        assert len(archive.read("archive/data.pkl")) == 100_000
