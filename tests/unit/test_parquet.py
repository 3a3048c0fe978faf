import itertools
import math

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.store import parquet
from nasbase.store.parquet import TableWriter, compute_content, content_of
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.columns import Column, Table

TABLE = Table(
    "things",
    "Things.",
    (
        Column("thing_id", "int32", "Id.", origin="identifier"),
        Column("value", "float64", "Value.", "s", nullable=True),
        Column("name", "string", "Name.", nullable=True),
        Column("flag", "bool", "Flag.", nullable=True),
    ),
    key=("thing_id",),
)


def things(count):
    return pa.Table.from_pylist(
        [
            {
                "thing_id": i,
                "value": [None, math.nan, -0.0, i / 7][i % 4],
                "name": [None, "", "ä" * (i % 5)][i % 3],
                "flag": [None, True, False][i % 3],
            }
            for i in range(count)
        ],
        schema=arrow_schema(TABLE),
    )


def write(path, pieces):
    with TableWriter(path, TABLE, {"nasbase.release": "x"}) as writer:
        for piece in pieces:
            writer.write(piece)
    return writer.content


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 50)
    monkeypatch.setattr(parquet, "DIGEST_ROWS", 16)


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 137), max_size=6))
def test_bytes_and_digest_do_not_depend_on_how_the_rows_came(tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("parquet")
    rows = things(137)
    edges = [0, *sorted(cuts), 137]
    pieces = [rows.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    one = write(folder / "one.parquet", [rows])
    many = write(folder / "many.parquet", pieces)
    assert one == many == content_of(folder / "one.parquet")
    assert compute_content(folder / "many.parquet") == one
    assert (folder / "one.parquet").read_bytes() == (folder / "many.parquet").read_bytes()
    groups = pq.read_metadata(folder / "many.parquet")
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [50, 50, 37]


@pytest.mark.parametrize(
    "change",
    [
        {"value": 1.0},
        {"value": math.nan},
        {"name": None},
        {"name": "x"},
        {"flag": None},
        {"thing_id": 9},
    ],
)
def test_any_change_changes_the_digest(tmp_path, change):
    rows = [
        {"thing_id": 0, "value": 0.0, "name": "", "flag": False},
        {"thing_id": 1, "value": None, "name": "a", "flag": True},
    ]
    digests = set()
    for first in (rows[0], {**rows[0], **change}):
        table = pa.Table.from_pylist([first, rows[1]], schema=arrow_schema(TABLE))
        digests.add(write(tmp_path / "t.parquet", [table]).digest)
    assert len(digests) == 2


def test_an_empty_table_is_a_file(tmp_path):
    assert write(tmp_path / "t.parquet", []).rows == 0
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 0
    assert content_of(tmp_path / "t.parquet") == compute_content(tmp_path / "t.parquet")


def test_a_failed_writer_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), TableWriter(tmp_path / "t.parquet", TABLE, {}) as writer:  # noqa: PT012
        writer.write(things(3))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_file_explains_its_columns(tmp_path):
    write(tmp_path / "t.parquet", [things(3)])
    field = pq.read_schema(tmp_path / "t.parquet").field("value")
    described = {k: v for k, v in field.metadata.items() if not k.startswith(b"PARQUET")}
    assert described == {b"description": b"Value.", b"origin": b"released", b"unit": b"s"}
    group = pq.read_metadata(tmp_path / "t.parquet").row_group(0)
    codecs = {c.path_in_schema: c.compression for c in map(group.column, range(4))}
    assert codecs == {"thing_id": "LZ4", "value": "LZ4", "name": "ZSTD", "flag": "LZ4"}


def test_keys_in_order_are_written_as_their_differences(tmp_path):
    keys = [i // 300 for i in range(3000)]
    columns = {"thing_id": keys, "value": [0.5] * 3000, "name": ["a"] * 3000, "flag": [True] * 3000}
    path = tmp_path / "t.parquet"
    for numbers, encoding in ((keys, "DELTA_BINARY_PACKED"), (keys[::-1], "RLE_DICTIONARY")):
        rows = pa.table(columns | {"thing_id": numbers}, schema=arrow_schema(TABLE))
        write(path, [rows])
        assert encoding in pq.read_metadata(path).row_group(0).column(0).encodings
        assert pq.read_table(path).equals(rows)


def test_columns_whose_values_hardly_repeat_have_no_dictionary(tmp_path):
    number = list(range(1000))
    columns = {
        "thing_id": number,
        "value": [math.sin(i) for i in number],
        "name": [f"{i % 3}" for i in number],
        "flag": [i % 2 == 0 for i in number],
    }
    rows = pa.table(columns, schema=arrow_schema(TABLE))
    path = tmp_path / "things.parquet"
    write(path, [rows])
    group = pq.read_metadata(path).row_group(0)
    chunks = {c.path_in_schema: c.encodings for c in map(group.column, range(4))}
    assert "BYTE_STREAM_SPLIT" in chunks["value"]
    assert "DELTA_BINARY_PACKED" in chunks["thing_id"]
    assert "RLE_DICTIONARY" in chunks["name"]
    assert all("RLE_DICTIONARY" not in chunks[name] for name in ("value", "thing_id"))
    assert pq.read_table(path).equals(rows)
    found = duckdb.sql(f"SELECT sum(thing_id), max(value) FROM '{path}'").fetchall()
    assert found == [(sum(number), max(columns["value"]))]
