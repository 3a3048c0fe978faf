"""Streamed entries are what an unpickler gives, whatever pickler wrote them."""

from __future__ import annotations

import bz2
import collections
import io
import itertools
import math
import pickle
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.containers import pickles
from nasbase.containers.float_map import FloatMap
from nasbase.containers.pickle_body import MIN_ITEMS, may_be_body, parse
from nasbase.containers.pickle_stream import EntryStream
from nasbase.containers.pickle_window import LOOKAHEAD, Window
from nasbase.errors import RawDataError


class PythonPickler(pickle._Pickler):
    """The pickler in Python: other frames, other batches."""


def dump(obj, protocol, pickler=pickle.Pickler):
    out = io.BytesIO()
    pickler(out, protocol).dump(obj)
    return out.getvalue()


def read(data, **options):
    stream = EntryStream(io.BytesIO(data), **options)
    entries = list(stream)
    return stream, entries


def same(found, expected):
    """Equal in structure, order, types and bits; a FloatMap equals its dictionary."""
    if isinstance(expected, dict):
        return (
            isinstance(found, dict | FloatMap)
            and len(found) == len(expected)
            and all(
                same(a, b) and same(found[a], expected[b])
                for a, b in zip(found, expected, strict=True)
            )
        )
    if isinstance(expected, float):
        return type(found) is float and struct.pack("d", found) == struct.pack("d", expected)
    if isinstance(expected, list | tuple):
        return (
            type(found) is type(expected)
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    return type(found) is type(expected) and found == expected


def assert_streamed(top, data, key="arch2infos"):
    plain = pickles.load(data, where="test")
    stream, entries = read(data, key=key)
    assert [entry.key for entry in entries] == list(top[key])
    for entry in entries:
        assert same(entry.value, plain[key][entry.key])
    assert same(stream.head, {k: v for k, v in plain.items() if k != key})
    assert stream.end == len(data)
    # The byte ranges lie one after the other, and each begins with the key.
    for before, after in itertools.pairwise(entries):
        assert before.start < before.end <= after.start < after.end <= len(data)


# ------------------------------------------------------------------ structures like a release's

FLOATS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, math.nan])
SHARED = [f"x-valid@{i}" for i in range(400)]


@st.composite
def tables(draw, rng):
    """A per-epoch dictionary, mostly of floats."""
    size = draw(st.sampled_from([0, 1, 3, MIN_ITEMS - 1, MIN_ITEMS, 12, 200, 400]))
    kind = draw(st.sampled_from(["int", "wide", "fresh", "shared", "mixed"]))
    keys = {
        "int": lambda i: i,
        "wide": lambda i: i * 397 - 5,
        "fresh": lambda i: "".join(["ori-test@", str(i)]),
        "shared": SHARED.__getitem__,
        "mixed": lambda i: i if i % 3 else "".join(["é", str(i)]),
    }[kind]
    order = list(range(size))
    if draw(st.booleans()):
        rng.shuffle(order)
    special = draw(st.lists(FLOATS, max_size=3))
    table = {keys(i): rng.random() for i in order}
    for value in special:
        if table:
            table[rng.choice(list(table))] = value
    if table and draw(st.integers(0, 9)) == 0:
        table[rng.choice(list(table))] = draw(st.sampled_from([3, None, True, "x", 2**70]))
    return collections.OrderedDict(table) if draw(st.booleans()) else table


@st.composite
def records(draw, rng):
    first = draw(tables(rng))
    record = {
        "name": draw(st.sampled_from(["cifar10", "cifar10-valid"])),
        "table": first,
        "other": draw(tables(rng)),
        "same keys": dict.fromkeys(first, 0.5),
        "again": first,
        "params": np.float64(rng.random()),
        "latency": [np.float64(draw(FLOATS))],
        (draw(st.just("cifar10")), 777): None,  # made anew: records share no tuple
        "text": draw(st.text(max_size=5)),
        "raw": draw(st.binary(min_size=2, max_size=4).map(lambda b: bytes(bytearray(b)))),
        "huge": draw(st.integers(-(2**80), 2**80)),
    }
    return record if draw(st.booleans()) else {"full": record, "less": draw(tables(rng))}


@st.composite
def releases(draw):
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    count = draw(st.integers(0, 5))
    keys = rng.sample(range(100_000), count)
    kinds = records(rng) | tables(rng) | st.none() | st.builds(lambda: [1, [2.0]])
    # Strings that all entries share stand in the first one.
    entries = {key: {"all": dict.fromkeys(SHARED, 1.0)} for key in keys[:1]}
    entries |= {key: draw(kinds) for key in keys[1:]}
    top = [
        ("meta_archs", ["|a~0|", "|b~0|"]),
        ("arch2infos", entries if draw(st.booleans()) else collections.OrderedDict(entries)),
        ("evaluated_indexes", sorted(keys)),
        ("total_archs", count),
    ]
    rng.shuffle(top)
    return dict(top if draw(st.booleans()) else [t for t in top if t[0] == "arch2infos"])


class UpstreamPythonPickler(PythonPickler):
    """Numpy scalars as the releases spell them, from the pickler in Python."""

    def reducer_override(self, obj):
        return pickles.UpstreamPickler.reducer_override(self, obj)


@settings(max_examples=120, deadline=None)
@given(releases(), st.integers(2, 5), st.booleans())
def test_any_release_is_read_as_the_unpickler_reads_it(top, protocol, python):
    pickler = UpstreamPythonPickler if python else pickles.UpstreamPickler
    assert_streamed(top, pickles.upstream_names(dump(top, protocol, pickler)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [999, 1000, 1001, 1008, 2000, 2001, 3011])
def test_tables_longer_than_a_batch(protocol, size):
    table = {f"k{i}": float(i) for i in range(size)}
    top = {"arch2infos": {0: {"a": dict(table), "b": table, "c": table}, 1: {"a": dict(table)}}}
    assert_streamed(top, dump(top, protocol))


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 2001])
@pytest.mark.parametrize("protocol", [2, 4])
def test_any_number_of_entries(count, protocol):
    top = {"arch2infos": {i: {"v": [float(i)]} for i in range(count)}, "after": set()}
    if protocol == 2:
        del top["after"]
    assert_streamed(top, dump(top, protocol))


def test_long_tables_come_as_arrays_and_templates_are_few():
    rng = random.Random(1)

    def table():
        return {"".join(["ori-test@", str(i)]): rng.random() for i in range(200)}

    top = {
        "arch2infos": {
            i: {"a": table(), "b": dict(enumerate(table().values()))} for i in range(300)
        }
    }
    data = dump(top, 2)
    stream, entries = read(data)
    assert all(isinstance(value, FloatMap) for e in entries for value in e.value.values())
    assert entries[7].value["a"] == top["arch2infos"][7]["a"]
    assert len(stream._bodies) <= 4
    assert not stream._memo
    assert len(stream._kept) < 500  # the first entry's strings, not those of 300


@pytest.mark.parametrize("protocol", [2, 4])
def test_keys_shared_inside_an_entry_are_compared(protocol):
    """A template's references count backwards; other keys at the same distance are other keys."""
    top = {"arch2infos": {}}
    for i in range(6):
        keys = ["".join([f"{'ab'[i % 2]}@", str(e)]) for e in range(20)]
        top["arch2infos"][i] = {"acc": dict.fromkeys(keys, 1.0), "loss": dict.fromkeys(keys, 2.0)}
    assert_streamed(top, dump(top, protocol))


@pytest.mark.parametrize("shared", [1, 2])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_template_with_few_references_compares_them(shared, protocol):
    top = {"arch2infos": {}}
    for i in range(200):  # memo indices beyond one byte: templates of others are not kept
        keys = ["".join([f"{'ab'[i // 2 % 2]}@", str(e)]) for e in range(shared)]
        table = {**dict.fromkeys(keys, 1.0), **{e: e / 7 for e in range(20)}}
        top["arch2infos"][i] = {"keys": keys, "table": table}
    assert_streamed(top, dump(top, protocol))


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("first", [0, 100, 250, 65_530])
def test_floats_at_regular_and_irregular_distances(first, protocol):
    """Keys of one width stand at regular distances; here they become wider, or they do not."""
    top = {"arch2infos": {i: {e: e / (i + 3) for e in range(first, first + 20)} for i in range(5)}}
    assert_streamed(top, dump(top, protocol))
    assert all(isinstance(e.value, FloatMap) for e in read(dump(top, protocol))[1])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"K", b"M", b"J", b"j", b"h", b"X", b"\x8c", b"G", b"N", b"}", b"("]),
    st.binary(max_size=8),
    st.booleans(),
)
def test_what_the_quick_look_rejects_is_no_body(opcode, rest, whole):
    item = opcode + rest + b"G" + bytes(8)
    data = 9 * item + b"u" + bytes(LOOKAHEAD) if whole else opcode + rest
    window = Window(io.BytesIO(data), where="test", limit=1 << 20)
    window.ensure(LOOKAHEAD)
    if not may_be_body(window.data, window.pos):
        assert parse(window, 1 << 40, 0, "k{}".format) is None


def test_batches_without_items_are_read_over():
    data = b"\x80\x02}q\x00X\x0a\x00\x00\x00arch2infosq\x01}q\x02(u(K\x05N" + b"u(u(K\x06Nu(us."
    assert [(e.key, e.value) for e in read(data)[1]] == [(5, None), (6, None)]


def test_references_to_strings_of_earlier_entries_and_of_the_head():
    names = ["".join(["arch", str(i)]) for i in range(50)]
    entries = {i: {"s": name, "t": {"k": name}} for i, name in enumerate(names)}
    top = {"arch2infos": entries, "meta_archs": names}
    assert_streamed(top, dump(top, 2))
    assert_streamed(dict(reversed(top.items())), dump(dict(reversed(top.items())), 4))


def test_reads_a_compressed_stream_without_seeking():
    rng = random.Random(2)
    top = {"arch2infos": {i: {"a": {j: rng.random() for j in range(90)}} for i in range(400)}}
    compressed = io.BytesIO(bz2.compress(dump(top, 4)))
    stream = EntryStream(pickles.BoundedBz2(compressed, limit=1 << 30, where="t"))
    assert {e.key: dict(e.value["a"]) for e in stream} == {
        k: v["a"] for k, v in top["arch2infos"].items()
    }


def test_byte_ranges_hold_the_entries():
    top = {"meta": ["x"], "arch2infos": {i: {"v": float(i)} for i in range(3)}}
    for protocol in (2, 4):
        data = pickle.dumps(top, protocol)
        for entry in read(data)[1]:
            part = data[entry.start : entry.end]
            assert part.startswith(b"K" + bytes([entry.key]))
            assert struct.pack(">d", float(entry.key)) in part
            assert part.count(b"G") == 1


def test_offsets_count_the_frames_of_protocol_4():
    rng = random.Random(3)
    top = {"arch2infos": {i: {"a": [rng.random() for _ in range(5000)]} for i in range(20)}}
    data = pickle.dumps(top, 4)
    assert data.count(b"\x95") > 5
    entries = read(data)[1]
    for entry in entries:
        values = struct.pack(">d", entry.value["a"][0]), struct.pack(">d", entry.value["a"][-1])
        at = data.index(values[0]), data.index(values[1])
        assert entry.start < at[0] < at[1] < entry.end


# ------------------------------------------------------------------ hostile and damaged


def sample_release(protocol=2):
    rng = random.Random(4)
    record = {
        i: {
            "a": {j: rng.random() for j in range(20)},
            "b": {"".join(["k@", str(j)]): rng.random() for j in range(20)},
            "p": np.float64(1.5),
            "o": collections.OrderedDict((j, 1.0) for j in range(9)),
        }
        for i in range(3)
    }
    return pickles.dumps({"meta_archs": ["x"], "arch2infos": record}, protocol)


@pytest.mark.parametrize("protocol", [2, 4])
def test_every_truncation_is_an_error_with_an_offset(protocol):
    data = sample_release(protocol)
    for size in range(0, len(data) - 1, 7):
        with pytest.raises(RawDataError, match=r"offset \d+ of the pickle") as error:
            read(data[:size])
        assert error.value.expected is not None or error.value.found is not None
        assert error.value.todo


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([2, 4]))
def test_a_flipped_byte_gives_what_the_unpickler_gives_or_an_error(data, protocol):
    whole = sample_release(protocol)
    raw = bytearray(whole)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        _, entries = read(bytes(raw))
    except RawDataError:
        return
    try:
        plain = pickles.load(bytes(raw), where="test")["arch2infos"]
    except RawDataError:  # frames are not needed to read a pickle: a wrong length may do no harm
        plain = pickles.load(whole, where="test")["arch2infos"]
    assert dict.fromkeys(e.key for e in entries) == dict.fromkeys(plain)
    for entry in {e.key: e for e in entries}.values():
        assert same(entry.value, plain[entry.key])


@pytest.mark.parametrize(
    ("evil", "message"),
    [
        (b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R", "asks for a name"),
        (b"cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R", "numpy type that no release"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R", "_codecs.encode"),
        (b"(lp0\n", "opcode that no release contains"),
        (b"K\x01K\x02\x86R", "no function"),
        (b"K\x01)R", "no function"),
        (b"}K\x01\x85b", "damaged"),
        (b"K\x01K\x02a", "no list"),
        (b"h\x05", "refers to an object of another record|damaged"),
        (b"h\x00", "whole release"),
        (b"X\xff\xff\xff\xff", "middle of a value"),
        (b")" + b"\x85" * 60_000, "too many tuples"),
        (b"}q\x30", "numbers its objects"),
        (b"c" + b"a" * 500, "does not end"),
        (b"\x95\x05\x00\x00\x00\x00\x00\x00\x00\x95\x01\x00\x00\x00\x00\x00\x00\x00", "inside"),
    ],
)
def test_what_no_release_does_is_refused(evil, message):
    data = b"\x80\x02}q\x00X\x0a\x00\x00\x00arch2infosq\x01}q\x02(K\x00}(K\x05" + evil
    with pytest.raises(RawDataError, match=message):
        read(data + b"uK\x01}us.")


def test_entries_without_end_are_refused():
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            return (b"X\xff\xff\x0f\x00" + b"N" * 0xFFFFF) * (size >> 20)

    data = b"\x80\x02}q\x00X\x0a\x00\x00\x00arch2infosq\x01}q\x02(K\x00("

    class Chained(Endless):
        first = True

        def read(self, size=-1):
            if self.first:
                self.first = False
                return data
            return super().read(size)

    with pytest.raises(RawDataError, match="larger than any released record"):
        list(EntryStream(Chained()))


@pytest.mark.parametrize(
    "top", [{"x": 1}, {"arch2infos": None}, {"x": {"arch2infos": {}}}, ["arch2infos", {}], 5]
)
def test_a_pickle_without_the_dictionary_is_named(top):
    with pytest.raises(RawDataError, match="lacks the dictionary of its records"):
        read(pickle.dumps(top, 2))


def test_objects_of_other_entries_are_refused():
    shared = [1.0]
    top = {"arch2infos": {0: {"a": shared}, 1: {"a": shared}}}
    with pytest.raises(RawDataError, match="refers to an object of another record"):
        read(pickle.dumps(top, 2))


def test_a_stream_is_read_once():
    stream, _ = read(sample_release())
    with pytest.raises(ValueError, match="once"):
        list(stream)


# ------------------------------------------------------------------ FloatMap


def test_float_map_is_the_dictionary_it_stands_for():
    table = {"a": 1.0, "b": -0.0, "c": math.inf}
    mapped = FloatMap(tuple(table), np.array(list(table.values())))
    assert mapped == table
    assert table == mapped
    assert list(mapped.items()) == list(table.items())
    assert mapped["b"] == 0.0
    assert math.copysign(1, mapped["b"]) == -1
    assert "z" not in mapped
    with pytest.raises(KeyError):
        mapped["z"]
    with pytest.raises(ValueError, match="read-only"):
        mapped.values_array[0] = 2.0
    with pytest.raises(ValueError, match="2 keys"):
        FloatMap(("a", "b"), np.array([1.0]))
