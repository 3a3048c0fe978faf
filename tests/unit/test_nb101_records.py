"""Rows and metrics of single NAS-Bench-101 records."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks.nb101.metrics import EVALUATIONS, FIELDS, Layout, MetricsDecoder
from nasbase.benchmarks.nb101.rows import (
    Row,
    check_cell,
    check_cells,
    parse_row,
    parse_rows,
)
from nasbase.containers import protobuf
from nasbase.containers.protobuf import bytes_field, double_field, varint, varint_field
from nasbase.containers.tfrecord import Block, encode_frames, read_blocks
from nasbase.errors import RawDataError

HASH = "00005c142e6f48ac74fdcf73e3439874"
ROW = [HASH, 108, "0100", "input,output", base64.encodebytes(b"metrics").decode()]

doubles = st.floats(allow_nan=False)


def place(index: int) -> str:
    return f"record {index}"


def alike(messages):
    """Messages as the decoder takes them: those of one length together."""
    places = {}
    for index, each in enumerate(messages):
        places.setdefault(len(each), []).append(index)
    for length, chosen in places.items():
        joined = b"".join(messages[index] for index in chosen)
        yield np.array(chosen), np.frombuffer(joined, np.uint8).reshape(len(chosen), length)


def decode(messages, decoder=None):
    decoder = decoder or MetricsDecoder()
    return decoder.decode(len(messages), alike(messages), place)


def evaluation(values, checkpoint: bytes | None = None) -> bytes:
    data = b"".join(double_field(i + 1, v) for i, v in enumerate(values) if v is not None)
    return data + (b"" if checkpoint is None else bytes_field(6, checkpoint))


def message(evaluations, params=882570, total=1.5) -> bytes:
    return (
        b"".join(bytes_field(1, each) for each in evaluations)
        + varint_field(2, params)
        + double_field(3, total)
    )


@st.composite
def messages(draw):
    """Messages with optional doubles, check points, unknown fields, any order of fields."""
    values = [[draw(st.none() | doubles) for _ in FIELDS] for _ in range(EVALUATIONS)]
    params = draw(st.none() | st.integers(0, 2**31 - 1))
    total = draw(st.none() | doubles)
    unknown = st.sampled_from(
        [
            b"",
            varint_field(9, 2**63),
            double_field(10, 1.0),
            bytes_field(11, b"text"),
            varint(12 << 3 | 5) + b"four",
            varint(13 << 3 | 3) + varint_field(1, 2) + varint(13 << 3 | 4),
        ]
    )
    evaluations = []
    for each in values:
        parts = [double_field(i + 1, v) for i, v in enumerate(each) if v is not None]
        parts.append(draw(st.sampled_from([b"", bytes_field(6, b""), bytes_field(6, b"/a/b")])))
        parts.append(draw(unknown))
        evaluations.append(bytes_field(1, b"".join(draw(st.permutations(parts)))))
    rest = [
        b"" if params is None else varint_field(2, params),
        b"" if total is None else double_field(3, total),
        draw(unknown),
    ]
    for part in draw(st.permutations(rest)):
        evaluations.insert(draw(st.integers(0, len(evaluations))), part)
    expected = np.array([[0.0 if v is None else v for v in each] for each in values])
    return b"".join(evaluations), expected, params or 0, 0.0 if total is None else total


# ------------------------------------------------------------------ metrics


@given(st.lists(messages(), max_size=12))
@settings(max_examples=60)
def test_messages_of_any_order_and_content_are_decoded(made):
    made = made + made  # so that some share a layout
    metrics = decode([each[0] for each in made])
    assert metrics.evaluations.shape == (len(made), EVALUATIONS, len(FIELDS))
    for index, (_, values, params, total) in enumerate(made):
        assert metrics.evaluations[index].tobytes() == values.tobytes()  # also -0.0
        assert metrics.params[index] == params
        assert metrics.total_time[index] == total


@given(
    st.lists(
        st.tuples(
            st.lists(doubles, min_size=16, max_size=16),
            st.sampled_from([200_000, 3_000_000, 2**28]),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=40)
def test_the_usual_layouts_are_read_and_written(made):
    values = np.array([each[0] for each in made])
    params = np.array([each[1] for each in made])
    raw = [
        message([evaluation(row[i * 5 : i * 5 + 5]) for i in range(3)], count, row[15])
        for row, count in made
    ]
    decoder = MetricsDecoder()
    metrics = decode(raw, decoder)
    assert metrics.evaluations.tobytes() == values[:, :15].tobytes()
    assert metrics.total_time.tobytes() == np.ascontiguousarray(values[:, 15]).tobytes()
    assert metrics.params.tolist() == params.tolist()
    for count in set(params.tolist()):
        chosen = params == count
        layout = Layout.of(message([evaluation([0.0] * 5)] * 3, count, 0.0))
        filled = layout.fill(values[chosen], params[chosen])
        assert [row.tobytes() for row in filled] == [
            r for r, c in zip(raw, chosen, strict=True) if c
        ]


def test_records_with_a_checkpoint_path_have_their_own_layout():
    plain = message([evaluation([0.0, 0.0, 0.1, 0.1, 0.1])] * 3)
    paths = [message([evaluation([1.0, 2.0, 3.0, 4.0, 5.0], b"/x/%d" % i)] * 3) for i in range(3)]
    metrics = decode([plain, *paths, plain])
    assert metrics.evaluations[1:4].tolist() == [[[1.0, 2.0, 3.0, 4.0, 5.0]] * 3] * 3
    assert metrics.evaluations[[0, 4]].tolist() == [[[0.0, 0.0, 0.1, 0.1, 0.1]] * 3] * 2


def test_of_a_repeated_double_the_last_one_counts():
    twice = double_field(2, 1.0) + double_field(2, 7.0)
    metrics = decode([message([twice] * 3)])
    assert metrics.evaluations[0, :, 1].tolist() == [7.0] * 3


def test_more_layouts_than_are_remembered():
    """Every record its own layout (the tag of an unknown field): still each one is right."""
    raw = [
        message([evaluation([float(i)] * 5)] * 3, 128 + i) + varint_field(16 + i, 1)
        for i in range(200)
    ]
    metrics = decode(raw * 2)
    assert metrics.params.tolist() == [128 + i for i in range(200)] * 2
    assert metrics.evaluations[:, 2, 4].tolist() == [float(i) for i in range(200)] * 2


FINE = evaluation([0.0] * 5)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (message([FINE] * 2), "three evaluations"),
        (message([FINE] * 4), "three evaluations"),
        (b"", "three evaluations"),
        (message([FINE] * 3)[:-1], "runs over"),
        (message([FINE] * 3) + b"\x07", "impossible tag"),
        (message([bytes_field(1, bytes(8))] * 3), "Field 1 .* wrong wire type"),  # packed double
        (message([FINE] * 3) + double_field(2, 1.0), "Field 2 .* wrong wire type"),
        (message([FINE] * 3) + varint_field(3, 1), "Field 3 .* wrong wire type"),
        (message([FINE] * 3) + varint_field(1, 1), "Field 1 .* wrong wire type"),
        (message([FINE] * 3, 2**31), "not a non-negative int32"),
        (message([FINE] * 3, 2**64 - 1), "not a non-negative int32"),  # -1
        (b"junk junk junk", "."),
    ],
)
def test_what_is_no_metrics(bad, what):
    good = message([FINE] * 3)
    with pytest.raises(RawDataError, match=what) as caught:
        decode([good, good, bad, good])
    error = caught.value
    assert str(error.where).startswith("record 2")
    assert None not in (error.expected, error.found, error.todo)


@given(st.data())
@settings(max_examples=100)
def test_flipped_bits_are_read_like_the_general_walk_reads_them(data):
    """A record that resembles the others but in one bit is not read with their layout blindly."""
    good = message([evaluation([1.0, 2.0, 3.0, 4.0, 5.0], b"path")] * 3)
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    results = []
    for batch in ([good, bytes(bad)], [bytes(bad)]):
        try:
            metrics = decode(batch)
            last = (
                metrics.evaluations[-1].tobytes(),
                metrics.params[-1],
                metrics.total_time[-1:].tobytes(),
            )
        except RawDataError as error:
            last = error.what
        results.append(last)
    assert results[0] == results[1]


# ------------------------------------------------------------------ rows


def test_a_row():
    row = parse_row(json.dumps(ROW).encode())
    assert row == Row(HASH, 108, "0100", "input,output", b"metrics")


@given(st.binary(max_size=400))
def test_mime_wrapped_base64(content):
    wrapped = base64.encodebytes(content).decode()  # a newline after every 76 characters
    assert parse_row(json.dumps([*ROW[:4], wrapped]).encode()).metrics == content
    assert parse_row(json.dumps([*ROW[:4], wrapped.replace("\n", "")]).encode()).metrics == content


@pytest.mark.parametrize(("epochs", "expected"), [("36", 36), (32767, 32767), ("004", 4)])
def test_epochs_may_be_a_string(epochs, expected):
    assert parse_row(json.dumps([HASH, epochs, *ROW[2:]]).encode()).epochs == expected


BAD_ROWS = [
    (b"", "not JSON"),
    (b"[1, 2", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (json.dumps(ROW[:4]).encode(), "row of five"),
    (json.dumps([*ROW, 1]).encode(), "row of five"),
    (b'{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}', "row of five"),
    (b'"abcde"', "row of five"),
    (b"12", "row of five"),
    (json.dumps([1, *ROW[1:]]).encode(), "other types"),
    (json.dumps([*ROW[:4], None]).encode(), "other types"),
    *(
        (json.dumps([HASH, epochs, *ROW[2:]]).encode(), "no schedule")
        for epochs in (0, -4, 4.0, True, None, "", "4.0", "-4", "0", "99999", 32768, "१२")
    ),
    (json.dumps([*ROW[:4], "&&&&"]).encode(), "not base64"),
    (json.dumps([*ROW[:4], "Q=UJ"]).encode(), "not base64"),
    (json.dumps([*ROW[:4], "QUJ"]).encode(), "not base64"),
    (json.dumps([*ROW[:4], "QU JD"]).encode(), "not base64"),
    (json.dumps([*ROW[:4], "ÄÄÄÄ"]).encode(), "not base64"),
]


@pytest.mark.parametrize(("payload", "what"), BAD_ROWS)
def test_what_is_no_row(payload, what):
    with pytest.raises(RawDataError, match=what) as alone:
        parse_row(payload)
    assert None not in (alone.value.expected, alone.value.found)
    good = json.dumps(ROW).encode()
    with pytest.raises(RawDataError, match=what) as many:
        parse_rows(block_of([good] * 600 + [payload] + [good]))
    assert str(many.value.where).endswith("record 600")
    assert many.value.todo


@given(
    st.lists(
        st.tuples(
            st.integers(1, 32767),
            st.booleans(),
            st.binary(max_size=90),
            st.sampled_from([(", ", ": "), (",", ":"), (" , ", ": ")]),
            st.sampled_from(["input,output", 'in"put', "\\u0069", "ä", "", "[]"]),
        ),
        max_size=20,
    )
)
def test_many_rows_are_parsed_like_each_alone(made):
    payloads = [
        json.dumps(
            [HASH, str(n) if text else n, ROW[2], labels, base64.encodebytes(raw).decode()],
            separators=separators,
        ).encode()
        for n, text, raw, separators, labels in made
    ]
    assert as_rows(parse_rows(block_of(payloads))) == [parse_row(each) for each in payloads]


@given(st.data())
def test_a_changed_byte_changes_what_it_changes_in_each_alone(data):
    """Rows that look nearly as usual are accepted, and refused, as they are one by one."""
    payload = bytearray(json.dumps(ROW).encode())
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at : at + data.draw(st.integers(0, 2))] = data.draw(
        st.binary(max_size=2) | st.sampled_from([b'"', b"\\n", b'\\"', b", ", b'", "', b"9"])
    )
    payloads = [json.dumps(ROW).encode(), bytes(payload), json.dumps(ROW).encode()]
    alone, together = (
        outcome(lambda: [parse_row(each) for each in payloads]),
        outcome(lambda: as_rows(parse_rows(block_of(payloads)))),
    )
    if isinstance(alone, str) and isinstance(together, list):
        # JSON has no raw control characters in texts; here they are left to the check of cells.
        assert alone == "A record is not JSON."
        assert isinstance(outcome(lambda: [check_cell(*row_cell(row)) for row in together]), str)
    else:
        assert together == alone


def outcome(attempt):
    """A result, or what is wrong."""
    try:
        return attempt()
    except RawDataError as error:
        return error.what if "record 1" in str(error.where or "record 1") else error


def row_cell(row: Row) -> tuple[str, str, str]:
    return row.hash, row.adjacency, row.operations


CELL = ("hash", "adjacency", "operations")


def block_of(payloads) -> Block:
    data = encode_frames(payloads)
    lengths = np.array([len(each) for each in payloads], np.int64)
    ends = np.cumsum(lengths + 16)
    return Block(Path("file"), 0, 0, data, ends - lengths - 4, lengths)


def as_rows(rows) -> list[Row]:
    """Rows one by one; each message has to come once."""
    messages = {
        place: message.tobytes()
        for places, messages in rows.metrics
        for place, message in zip(places.tolist(), messages, strict=True)
    }
    assert sum(len(places) for places, _ in rows.metrics) == len(messages) == len(rows.epochs)
    columns = [getattr(rows, name).to_pylist() for name in CELL]
    return [
        Row(cell_hash, epochs, adjacency, operations, messages[place])
        for place, (epochs, cell_hash, adjacency, operations) in enumerate(
            zip(rows.epochs.tolist(), *columns, strict=True)
        )
    ]


def unwrapped(texts):
    """Messages of base64 in rows, in their order."""
    payloads = [json.dumps([*ROW[:4], text]).encode() for text in texts]
    return [row.metrics for row in as_rows(parse_rows(block_of(payloads)))]


@given(st.lists(st.binary(min_size=110, max_size=116), max_size=12), st.data())
def test_messages_of_like_lengths(contents, data):
    """Texts of one length hold messages of three lengths, and some are wrapped elsewhere."""
    wrapped = [base64.encodebytes(content).decode() for content in contents]
    assert unwrapped(wrapped) == contents
    if wrapped:
        index = data.draw(st.integers(0, len(wrapped) - 1))
        flat = wrapped[index].replace("\n", "")
        at = data.draw(st.integers(0, len(flat)))
        wrapped[index] = flat[:at] + "\n\n" + flat[at:]  # as long as the others
        assert unwrapped(wrapped) == contents


@given(st.integers(0, 3), st.integers(0, 156), st.sampled_from("=-_ \n\tÄ"))
def test_one_wrong_character_in_base64_names_its_record(which, at, character):
    good = base64.encodebytes(bytes(range(115))).decode()
    bad = good[:at] + character + good[at + 1 :]
    texts = [good] * 4
    texts[which] = bad
    try:
        expected = base64.b64decode(bad.replace("\n", ""), validate=True)
    except ValueError:
        with pytest.raises(RawDataError, match="not base64") as caught:
            unwrapped(texts)
        assert str(caught.value.where).endswith(f"record {which}")
    else:
        assert unwrapped(texts)[which] == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (("0100", "input,output"), (2, 1)),
        (("011001000", "input,maxpool3x3,output"), (3, 3)),
    ],
)
def test_stored_cells(cell, expected):
    assert check_cell(HASH, *cell) == expected
    graphs, labels = (pa.array([text] * 3).dictionary_encode() for text in cell)
    vertices, edges = check_cells(pa.array([HASH] * 3), graphs, labels)
    assert (vertices.tolist(), edges.tolist()) == ([expected[0]] * 3, [expected[1]] * 3)


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ((HASH[:-1], "0100", "input,output"), "hash"),
        ((HASH.upper(), "0100", "input,output"), "hash"),
        ((HASH, "010", "input,output"), "square"),
        ((HASH, "", "input,output"), "square"),
        ((HASH, "0", "input"), "square"),
        ((HASH, "0x00", "input,output"), "square"),
        ((HASH, "0" * 64, "input,output"), "too large"),
        ((HASH, "1100", "input,output"), "backward edge"),
        ((HASH, "0110", "input,output"), "backward edge"),
        ((HASH, "0100", "input,maxpool3x3,output"), "do not fit"),
        ((HASH, "0100", "input"), "incomplete"),
        ((HASH, "0100", "output,input"), "incomplete"),
        ((HASH, "010001000", "input,conv5x5,output"), "unknown"),
    ],
)
def test_what_is_no_stored_cell(cell, what):
    with pytest.raises(RawDataError, match=what) as caught:
        check_cell(*cell)
    assert None not in (caught.value.expected, caught.value.found)
    good = (HASH, "0100", "input,output")
    hashes, graphs, labels = map(pa.array, zip(good, cell, good, strict=True))
    with pytest.raises(RawDataError, match=what):
        check_cells(hashes, graphs.dictionary_encode(), labels.dictionary_encode())


# ------------------------------------------------------------------ real records


@pytest.mark.realdata
def test_the_first_real_record(realdata, tmp_path):
    lines = (realdata / "nb101" / "first_record_full.b64").read_text().splitlines()
    path = tmp_path / "first.tfrecord"
    path.write_bytes(base64.b64decode("".join(line for line in lines if line[0] != "#")))
    (block,) = read_blocks(path)
    block.verify()
    rows = parse_rows(block)
    (row,) = as_rows(rows)
    assert (row.hash, row.epochs) == (HASH, 4)
    assert row.adjacency == "0100110001000000010010000010000001000000010000000"
    labels = (
        "input,conv3x3-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output"
    )
    assert row.operations == labels
    metrics = MetricsDecoder().decode(len(block), rows.metrics, block.where)
    assert metrics.params.tolist() == [8555530]
    assert metrics.evaluations[0, :, 0].tolist() == [0.0, 2.0, 4.0]
    # The released doubles, from the bytes that stand in the record.
    expected = [
        ["000000a0aaaab93f", "000000609006b93f", "000000006990b93f"],
        ["000000609006ba3f", "00000020dff2ba3f", "00000080cbb7ba3f"],
        ["000000401a64d63f", "000000605555d63f", "000000e0f26dd63f"],
    ]
    for values, texts in zip(metrics.evaluations[0, :, 2:].tolist(), expected, strict=True):
        assert values == [struct.unpack("<d", bytes.fromhex(text))[0] for text in texts]
    assert metrics.evaluations[0, :, 1].tolist() == [0.0, 45.152000427246094, 89.90399932861328]
    assert metrics.total_time.tolist() == [413.7015450000763]  # 0000408739db7940
    # The message is written back as it was.
    first = row.metrics
    layout = Layout.of(first)
    values = np.concatenate(
        [metrics.evaluations.reshape(1, -1), metrics.total_time[:, None]], axis=1
    )
    assert layout.fill(values, metrics.params).tobytes() == first
    for field in protobuf.fields(first):
        assert field.number in (1, 2, 3)


@pytest.mark.realdata
def test_ec_nas_records_are_parsed(realdata):
    """Unknown fields and nested messages are skipped; other budgets are accepted here."""
    (block,) = read_blocks(realdata / "ecnas" / "energy_4V9E.tfrecord")
    block.verify()
    rows = parse_rows(block)
    metrics = MetricsDecoder().decode(len(block), rows.metrics, block.where)
    assert len(metrics.params) == 1092
    assert set(rows.epochs) == {4, 12, 36, 108}
    each = as_rows(rows)
    for cell in set(map(row_cell, each)):
        check_cell(*cell)
    for index in range(0, 1092, 101):
        alone = decode([each[index].metrics])
        assert alone.evaluations.tobytes() == metrics.evaluations[index : index + 1].tobytes()
    accuracy = metrics.evaluations[:, :, 2:]
    assert accuracy.min() >= 0
    assert accuracy.max() <= 1
    assert (metrics.evaluations[:, 2, 0] == rows.epochs).all()
