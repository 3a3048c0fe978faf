"""The allow-list unpickler, bounded bz2, and pickles as upstream writes them."""

from __future__ import annotations

import bz2
import contextlib
import io
import math
import pickle
import pickletools
import struct
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.containers.pickle_opcodes import MAX_TUPLES
from nasbase.containers.pickles import (
    ALLOWED,
    BoundedBz2,
    Opaque,
    TypedUnpickler,
    decompress,
    dumps,
    load,
    numbered,
    renumbered,
)
from nasbase.errors import RawDataError

KEYS = st.one_of(
    st.text(max_size=8), st.integers(-5, 5000), st.tuples(st.text(max_size=4), st.integers(0, 999))
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.floats().map(np.float64),
    st.text(max_size=20),
    st.binary(min_size=1, max_size=20),
)
OBJECTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict),
        st.tuples(inner, inner),
    ),
    max_leaves=20,
)


def plain(value):
    """The same object with floats as their bits, so that NaNs compare."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return [(plain(key), plain(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value


@settings(deadline=None)
@given(OBJECTS, st.sampled_from([2, 3, 4, 5]))
def test_what_upstream_could_pickle_comes_back_bit_for_bit(value, protocol):
    assert plain(load(dumps(value, protocol), where="test")) == plain(value)


@settings(deadline=None)
@given(OBJECTS, st.sampled_from([2, 4]))
def test_whats_written_is_what_numpy_reads(value, protocol):
    assert plain(pickle.loads(dumps(value, protocol))) == plain(value)


def test_numpy_scalars_are_written_under_the_released_names():
    written = dumps([np.float64(0.25), np.float64(0.5)], 4)
    names = [arg for op, arg, _ in pickletools.genops(written) if isinstance(arg, str)]
    assert names[:4] == ["numpy.core.multiarray", "scalar", "numpy", "dtype"]
    assert type(pickle.loads(written)[1]) is np.float64
    loaded = load(written, where="test")
    assert loaded == [0.25, 0.5]
    assert all(type(value) is float for value in loaded)


@settings(deadline=None)
@given(st.lists(OBJECTS, max_size=4), st.sampled_from([0, 1, 300, 70_000]))
def test_pickles_can_be_put_together(values, before):
    parts = [b"\x80\x04", b"]\x940" * before, b"]("]  # objects that are numbered and dropped
    count = before
    for value in values:
        pickled, added = numbered(value)
        parts.append(renumbered(pickled, count))
        count += added
    joined = b"".join([*parts, b"e."])
    assert plain(pickle.loads(joined)) == plain(values)


def test_real_members_are_written_back_byte_for_byte(realdata):
    for path in sorted((realdata / "nats").glob("*/*.pbz2")):
        raw = decompress(path.read_bytes(), limit=1 << 26, where=path.name)
        assert dumps(pickle.loads(raw), 4) == raw
        assert plain(load(raw, where=path.name)) == plain(pickle.loads(raw))


# ---------------------------------------------------------------------------------------------
# refused


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (eval, "eval"),
        (__import__("os").system, "system"),
        (getattr, "getattr"),
        (np.load, "load"),
        (bytes.fromhex, "getattr"),
    ],
)
def test_other_names_are_refused_by_name(function, name, protocol):
    evil = pickle.dumps({"a": [Evil(function, "1")]}, protocol)
    with pytest.raises(RawDataError) as caught:
        load(evil, where="x.pickle")
    message = str(caught.value)
    assert "asks for a name that no release contains" in message
    assert name in message
    for label in ("where: x.pickle", "expected: ", "found: ", "what to do: "):
        assert label in message


def stack_global(module: str, name: str) -> bytes:
    return b"".join(b"\x8c" + bytes([len(x)]) + x.encode() for x in (module, name)) + b"\x93"


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


ORDERED = stack_global("collections", "OrderedDict")
SCALAR = stack_global("numpy.core.multiarray", "scalar")
DTYPE = stack_global("numpy", "dtype")
F8 = DTYPE + text("f8") + b"\x85R"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (DTYPE + text("O") + b"\x85R", "numpy type that no release"),
        (DTYPE + text("V8") + b"\x85R", "numpy type that no release"),
        (F8 + b"}b", "unknown state"),
        (SCALAR + text("f8") + b"C\x08" + bytes(8) + b"\x86R", "has no numpy type"),
        (SCALAR + F8 + text("12345678") + b"\x86R", "not made of bytes"),
        (SCALAR + F8 + b"C\x07" + bytes(7) + b"\x86R", "damaged"),
        (ORDERED + b")R" + b"}" + text("keys") + b"K\x01sb", "attributes of an OrderedDict"),
        (ORDERED + b")R" + b"K\x01b", "attributes of an OrderedDict"),
        (ORDERED + b"}b", "change a function"),
        (SCALAR + b"N}" + text("__defaults__") + b")s\x86b", "change a function"),
        (stack_global("_codecs", "encode") + text("a") + text("rot13") + b"\x86R", "_codecs"),
        (stack_global("torch", "FloatStorage") + b")R", "damaged"),
        (stack_global("torch", "FloatStorage") + b"}b", "state of torch.FloatStorage"),
        (b"K\x01)R", "damaged"),
        (b"}" + b"K\x01b", "damaged"),
        (b"\x82\x01", "damaged"),
        (b"h\x07", "damaged"),
        (b"\x96" + b"\xff" * 7 + b"\x3f", "damaged"),
        (b"\x8b\xff\xff\xff\x7f", "damaged"),
        (b"}]K\x01s", "damaged"),
    ],
)
def test_programs_that_no_release_holds(program, message):
    with pytest.raises(RawDataError, match=message):
        load(b"\x80\x04" + program + b".", where="x")


def test_a_pickle_cannot_change_what_the_next_one_gets():
    before = {key: repr(value) for key, value in ALLOWED.items()}
    attack = ORDERED + b"N}" + text("__call__") + b"K\x01s\x86b"
    with pytest.raises(RawDataError):
        load(b"\x80\x04" + attack + b".", where="x")
    assert {key: repr(value) for key, value in ALLOWED.items()} == before
    assert load(dumps(OrderedDict(a=1), 4), where="x") == {"a": 1}


def test_towers_of_tuples_are_refused_before_they_can_overflow_the_stack():
    tower = b"\x80\x04}(" + b")" + b"\x85" * 1_000_000 + b"K\x01u."
    with pytest.raises(RawDataError, match="too many tuples"):
        load(tower, where="x")
    # The same bytes inside a text are no tuples.
    many = "t" * (2 * MAX_TUPLES)
    assert load(dumps([many], 4), where="x") == [many]


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\xff", b"p4294967295\n"])
def test_a_far_memo_index_is_refused_before_room_is_made_for_it(put):
    with pytest.raises(RawDataError, match="numbers more objects"):
        load(b"\x80\x04]" + put + b".", where="x")


def test_weights_are_read_over():
    tensor = (
        stack_global("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + text("storage")
        + stack_global("torch", "FloatStorage")
        + b"\x86Q"
        + b"K\x00)K\x01)t"
        + b"R"
    )
    state = ORDERED + b")R" + text("weight") + tensor + b"s" + b"}" + text("_metadata") + b"Nsb"
    loaded = load(b"\x80\x04" + state + b".", where="x")
    assert list(loaded) == ["weight"]
    assert isinstance(loaded["weight"], Opaque)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_pickle_is_an_error_or_an_object_but_never_another_exception(data):
    whole = bytearray(dumps({"a": {i: i / 7 for i in range(20)}, ("b", 1): [np.float64(2)]}, 4))
    kind = data.draw(st.sampled_from(["cut", "flip"]))
    position = data.draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        with pytest.raises(RawDataError):
            load(bytes(whole[:position]), where="x")
        return
    whole[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(RawDataError):
        load(bytes(whole), where="x")


def test_bytes_after_a_pickle_are_refused():
    with pytest.raises(RawDataError, match="follows a pickle"):
        load(pickle.dumps(1) + b"x", where="x")


def test_a_file_can_be_loaded():
    assert load(io.BytesIO(pickle.dumps([1, math.inf])), where="x") == [1, math.inf]


# ---------------------------------------------------------------------------------------------
# bz2


def test_a_bomb_stops_at_the_limit():
    bomb = bz2.compress(bytes(50_000_000))
    assert len(bomb) < 200
    with pytest.raises(RawDataError, match="holds more than it may") as caught:
        decompress(bomb, limit=1_000_000, where="bomb")
    assert "at most 1000000 bytes" in str(caught.value)
    assert len(decompress(bomb, limit=50_000_000, where="bomb")) == 50_000_000


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 100))
def test_concatenated_streams_read_as_bz2_reads_them(parts, size):
    raw = b"".join(map(bz2.compress, parts))
    assert decompress(raw, limit=10_000, where="x") == bz2.decompress(raw) == b"".join(parts)
    stream = BoundedBz2(io.BytesIO(raw), limit=10_000, where="x")
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"".join(parts)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-3], "truncated"),
        (lambda _raw: b"", "truncated"),
        (lambda raw: b"<html>" + raw, "damaged"),
        (lambda raw: raw[:30] + bytes([raw[30] ^ 1]) + raw[31:], "damaged"),
        (lambda raw: raw + b"more", "damaged"),
    ],
)
def test_damaged_bz2(damage, message):
    raw = bz2.compress(b"some bytes that are long enough" * 20)
    with pytest.raises(RawDataError, match=message) as caught:
        decompress(damage(raw), limit=10_000, where="file.pbz2")
    assert "file.pbz2, byte" in str(caught.value)


# ---------------------------------------------------------------------------------------------
# numpy's types


class SetsAttributes:
    """Pickled as an OrderedDict whose ``items`` is text."""

    def __reduce__(self):
        return OrderedDict, ((("a", 1),),), {"items": "shadowed"}


def test_typed_unpickler_keeps_the_types():
    made = OrderedDict(a=np.float64("nan"), b=[np.float32(1.5), np.int64(-7)], c={"d": 2.5})
    for pickled in (dumps(made, 4), dumps(made, 2), pickle.dumps(made, 4)):
        found = load(pickled, where="here", unpickler=TypedUnpickler)
        assert type(found) is OrderedDict
        assert type(found["a"]) is np.float64
        assert math.isnan(found["a"])
        assert [type(value) for value in found["b"]] == [np.float32, np.int64]
        assert found["b"] == made["b"]
        assert type(found["c"]) is dict


@pytest.mark.parametrize("payload", [SetsAttributes(), print, [SetsAttributes()]])
def test_typed_unpickler_refuses_the_same(payload):
    with pytest.raises(RawDataError):
        load(pickle.dumps(payload), where="here", unpickler=TypedUnpickler)
