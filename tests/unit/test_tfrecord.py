"""TFRecord frames: reading, writing, and everything that can be wrong with them."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasbase.containers.tfrecord import (
    FRAME_BYTES,
    MAX_RECORD_BYTES,
    _chain,
    _five_zeros,
    _walk,
    encode_frames,
    located,
    masked_crc,
    read_blocks,
)
from nasbase.errors import RawDataError

IN_TMP = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, data: bytes) -> Path:
    path = folder / "some.tfrecord"
    path.write_bytes(data)
    return path


def read(path: Path, **options) -> list[bytes]:
    return payloads_of(read_blocks(path, **options))


def payloads_of(blocks) -> list[bytes]:
    payloads = []
    for block in blocks:
        block.verify()
        payloads += map(block.payload, range(len(block)))
    return payloads


def refused(path: Path, **options) -> RawDataError:
    with pytest.raises(RawDataError) as caught:
        read(path, **options)
    error = caught.value
    assert str(path) in str(error.where)
    assert None not in (error.expected, error.found, error.todo)
    return error


def test_check_value_of_crc32c():
    assert google_crc32c.value(b"123456789") == 0xE3069283
    assert masked_crc(b"123456789") == 0xC78AB0E5


@IN_TMP
@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(1, 400))
def test_what_was_written_is_read(tmp_path, payloads, block_bytes):
    path = write(tmp_path, encode_frames(payloads))
    assert read(path, block_bytes=block_bytes) == payloads


@IN_TMP
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=30), st.data())
def test_ranges_between_frames_are_read_alone(tmp_path, payloads, data):
    path = write(tmp_path, encode_frames(payloads))
    edges = np.cumsum([0] + [len(payload) + FRAME_BYTES for payload in payloads]).tolist()
    first = data.draw(st.integers(0, len(payloads)))
    last = data.draw(st.integers(first, len(payloads)))
    blocks = list(read_blocks(path, edges[first], edges[last], first_record=first, block_bytes=100))
    assert payloads_of(blocks) == payloads[first:last]
    offsets = [offset for block in blocks for offset in block.frame_offsets.tolist()]
    assert offsets == edges[first:last]
    record = first
    for block in blocks:
        assert block.first_record == record
        record += len(block)


def test_windows_and_texts_look_into_records(tmp_path):
    path = write(tmp_path, encode_frames([b"abcdef", b"ghijkl"]))
    (block,) = read_blocks(path)
    assert block.windows(block.starts + 2, 3).tobytes() == b"cdeijk"
    assert block.windows(block.starts, 500).shape == (2, 500)  # over the end: moved, not refused
    assert block.lengths.tolist() == [6, 6]
    assert block.stands(b"cd", block.starts + 2).tolist() == [True, False]
    ends = block.starts + block.lengths
    assert block.texts(block.starts, ends - 1).to_pylist() == [b"abcde", b"ghijk"]
    assert block.texts(ends[:1], ends[:1]).to_pylist() == [b""]
    assert block.texts(ends[:0], ends[:0]).to_pylist() == []


@given(st.lists(st.binary(max_size=40) | st.sampled_from([bytes(20), b"x" * 300, b"\n" * 12])))
def test_frames_are_found_at_once_as_by_a_walk(payloads):
    data = encode_frames(payloads)
    for cut in range(max(0, len(data) - 350), len(data) + 1):
        found = _chain(data[:cut], MAX_RECORD_BYTES)
        walked = _walk(data[:cut], {}, lambda *_: "", MAX_RECORD_BYTES)
        assert found is None or found.tolist() == walked.tolist()


@given(st.lists(st.sampled_from([bytes(1), bytes(4), bytes(7), b"a", b"bc"])).map(b"".join))
def test_five_zeros_are_found_wherever_they_begin(data):
    found = _five_zeros(np.frombuffer(data, np.uint8)).tolist()
    inside = [place for place in found if 0 <= place <= len(data) - 5]
    assert inside == [i for i in range(len(data) - 4) if data[i : i + 5] == bytes(5)]


@given(
    st.lists(
        st.text(alphabet=st.characters(min_codepoint=1, codec="utf-8"), max_size=400), min_size=1
    )
)
def test_frames_of_text_need_no_walk(texts):
    data = encode_frames([text.encode() for text in texts])
    found = _chain(data, MAX_RECORD_BYTES)
    assert found is not None
    assert len(found) == len(texts) + 1
    longest = max(len(text.encode()) for text in texts)
    assert _chain(data, max_bytes=longest - 1) is None


def test_frames_in_a_record_are_no_frames(tmp_path):
    inner = encode_frames([b"one", b"two"])
    payloads = [b"before", inner, b"after"]
    assert _chain(encode_frames(payloads), MAX_RECORD_BYTES) is None
    assert read(write(tmp_path, encode_frames(payloads))) == payloads


def test_every_flipped_bit_is_noticed(tmp_path):
    good = encode_frames([b"first record", b"second one"])
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        refused(write(tmp_path, bytes(bad)))


def test_every_truncation_inside_a_frame_is_noticed(tmp_path):
    good = encode_frames([b"first record", b"second one"])
    boundary = len(b"first record") + FRAME_BYTES
    for size in range(1, len(good)):
        path = write(tmp_path, good[:size])
        if size == boundary:
            assert read(path) == [b"first record"]
        else:
            error = refused(path, block_bytes=7)
            record, offset = (0, 0) if size < boundary else (1, boundary)
            assert f"byte {offset}, record {record}" in str(error.where)
            assert error.found == f"{size - offset} bytes"


def test_bad_length_checksum_names_the_place(tmp_path):
    data = bytearray(encode_frames([b"x" * 10] * 3))
    data[2 * 26] ^= 1
    error = refused(write(tmp_path, bytes(data)), first_record=40)
    assert "byte 52, record 42" in str(error.where)
    assert "checksum" in error.what
    assert "length" in error.what


def test_bad_data_checksum_names_the_place(tmp_path):
    data = bytearray(encode_frames([b"x" * 10] * 3))
    data[26 + 15] ^= 1
    error = refused(write(tmp_path, bytes(data)), block_bytes=30)
    assert "byte 26, record 1" in str(error.where)
    assert str(error.expected).endswith(f"{masked_crc(b'x' * 10):#010x}")


def test_absurd_length_is_refused_before_it_is_read(tmp_path):
    length = struct.pack("<Q", 1 << 60)
    data = encode_frames([b"fine"]) + length + struct.pack("<I", masked_crc(length)) + b"...."
    error = refused(write(tmp_path, data))
    assert "absurd" in error.what
    assert str(1 << 60) in str(error.found)


def test_html_in_place_of_the_file(tmp_path):
    error = refused(write(tmp_path, b"<!DOCTYPE html><html>Sign in</html>" * 10))
    assert "HTML" in error.todo


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4), (0, 10**6)])
def test_range_outside_the_file(tmp_path, start, end):
    refused(write(tmp_path, encode_frames([b"abc"])), start=start, end=end)


def test_range_inside_a_frame_is_refused(tmp_path):
    path = write(tmp_path, encode_frames([b"a" * 20, b"b" * 20]))
    refused(path, end=40)
    refused(path, start=3)


@pytest.mark.parametrize("left", [100_016, 100_020, 150_000])
def test_a_file_that_shrinks_while_it_is_read(tmp_path, left):
    path = write(tmp_path, encode_frames([b"a" * 100_000] * 3))
    blocks = read_blocks(path, block_bytes=150_000)
    assert len(next(blocks)) == 1
    with path.open("r+b") as file:
        file.truncate(left)
    with pytest.raises(RawDataError, match="ends inside") as error:
        next(blocks)
    assert "byte 100016, record 1" in str(error.value.where)


def test_empty_file_has_no_blocks(tmp_path):
    assert list(read_blocks(write(tmp_path, b""))) == []


def test_located_puts_the_place_in_front():
    error = located(RawDataError("Bad.", where="byte 3", expected=1, found=2), "file x")
    assert (error.what, error.where, error.expected, error.found) == (
        "Bad.",
        "file x, byte 3",
        1,
        2,
    )
    assert "drop-in" in error.todo
    assert located(RawDataError("Bad.", todo="Pray."), "file x").todo == "Pray."


@pytest.mark.realdata
def test_real_frames(realdata, tmp_path):
    lines = (realdata / "nb101" / "first_record_full.b64").read_text().splitlines()
    frame = base64.b64decode("".join(line for line in lines if not line.startswith("#")))
    (payload,) = read(write(tmp_path, frame))
    assert encode_frames([payload]) == frame
    file = realdata / "ecnas" / "energy_4V9E.tfrecord"
    payloads = read(file, block_bytes=4096)
    assert len(payloads) == 1092
    assert encode_frames(payloads) == file.read_bytes()
