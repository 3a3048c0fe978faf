"""Pickles that are alike: their floats, read without unpickling, are those of the unpickler."""

from __future__ import annotations

import bz2
import pickle
import pickletools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.containers.pickle_alike import Template, opcode
from nasbase.containers.pickles import dumps, load

SHAPES = st.recursive(
    st.sampled_from([float, np.float64, None, True, "text", "", 7, 300, 70_000, 2**40, b"bytes"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers(0, 999)), inner, max_size=4),
    ),
    max_leaves=30,
)
"""Objects with types in place of floats."""

FLOATS = st.floats(allow_nan=True)


def filled(shape, draw):
    """An object of a shape; ``draw`` gives the next float."""
    if shape in (float, np.float64):
        return shape(draw())
    if isinstance(shape, dict):
        return {key: filled(value, draw) for key, value in shape.items()}
    if isinstance(shape, list | tuple):
        return type(shape)(filled(value, draw) for value in shape)
    return shape


def floats_of(value):
    """All floats of an object as bits, in the order in which they were pickled."""
    if isinstance(value, float):
        return [struct.pack("<d", value)]
    if isinstance(value, dict):
        return [bits for item in value.values() for bits in floats_of(item)]
    if isinstance(value, list | tuple):
        return [bits for item in value for bits in floats_of(item)]
    return []


def looked_up(template, numbered, read):
    """What stands at the places that a numbered object tells."""
    numbers = np.frombuffer(b"".join(floats_of(numbered)))
    return [struct.pack("<d", value) for value in read[template.places(numbers)]]


@settings(deadline=None)
@given(SHAPES, st.data())
def test_floats_of_pickles_alike_are_found_where_the_numbers_are(shape, data):
    one, other = (dumps(filled(shape, lambda: data.draw(FLOATS)), 4) for _ in range(2))
    template = Template.of(one, [])
    numbered = load(template.numbered([]), where="test")
    for pickled in (one, other):
        read = template.read(pickled, [])
        assert read.dtype == np.float64
        assert looked_up(template, numbered, read) == floats_of(load(pickled, where="test"))


@settings(deadline=None, max_examples=300)
@given(SHAPES, st.data())
def test_what_differs_in_anything_else_is_not_alike(shape, data):
    pickled = dumps(filled(shape, lambda: data.draw(FLOATS)), 4)
    template = Template.of(pickled, [])
    at = data.draw(st.integers(0, len(pickled) - 1))
    changed = bytearray(pickled)
    changed[at] ^= data.draw(st.integers(1, 255))
    inside = {
        byte
        for op, argument, start in pickletools.genops(pickled)
        if op.name == "BINFLOAT" or (op.name == "SHORT_BINBYTES" and len(argument) == 8)
        for byte in range(start + 1 + (op.name != "BINFLOAT"), start + 9 + (op.name != "BINFLOAT"))
    }
    assert (template.read(bytes(changed), []) is not None) == (at in inside)
    assert template.read(pickled + b".", []) is None
    assert template.read(pickled[:-1], []) is None


def example(index, text, value=0.5):
    return dumps({"index": index, "name": [text, text * 1], "epoch": {12: value}}, 4)


def test_names_may_differ_but_are_those_asked_for():
    names = opcode(1000), opcode("8:16")
    template = Template.of(example(1000, "8:16"), names)
    assert template.named == [1, 1]
    other = example(2000, "16:8", 0.25)
    assert template.read(other, [opcode(2000), opcode("16:8")]).tolist() == [0.25]
    for index, text in ((2001, "16:8"), (2000, "16:9"), (200, "16:8"), (2000, "16:80")):
        assert template.read(other, [opcode(index), opcode(text)]) is None
    numbered = load(template.numbered(names), where="test")
    number = numbered["epoch"].pop(12)
    assert numbered == {"index": 1000, "name": ["8:16"] * 2, "epoch": {}}
    assert template.places(np.array([number])).tolist() == [0]
    assert template.places(np.array([number, 0.5])) is None


def test_a_name_that_means_something_else_is_counted():
    assert Template.of(example(12, "8:16"), [opcode(12)]).named == [2]


@pytest.mark.parametrize("value", [0, 11, 255, 256, 65_535, 65_536, "8:8", "x" * 255])
def test_opcodes_are_those_of_the_pickler(value):
    assert opcode(value) in pickle.dumps([value], 4)


@pytest.mark.parametrize("value", [2**80, "x" * 300, b"x" * 300, {1, 2}.__class__])
def test_pickles_with_other_opcodes_are_not_taken_apart(value):
    pickled = pickle.dumps([1.5, value], 2)
    assert Template.of(pickled, []) is None


def test_real_members_are_taken_apart(realdata):
    for path in sorted(realdata.glob("nats/*/0*.pbz2")):
        pickled = bz2.decompress(path.read_bytes())
        template = Template.of(pickled, [])
        numbered = load(template.numbered([]), where=path.name)
        found = looked_up(template, numbered, template.read(pickled, []))
        assert found == floats_of(load(pickled, where=path.name))
        assert len(found) > 5000
