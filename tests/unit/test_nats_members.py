"""Members of an archive that are alike give the rows, and the errors, that each gives alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bitwise import content
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nats_common import archives, members
from nasbase.benchmarks.nats_common.members import Members
from nasbase.benchmarks.nats_common.record import TrialRows
from nasbase.containers.pickle_alike import Template, opcode
from nasbase.containers.pickles import dumps
from nasbase.errors import RawDataError

ROOMS = ("nats_tss", "nats_sss")
INDEXES = range(10_000, 10_024)


@cache
def record(name, index):
    return archives.member(room_of(name), index, 1)


@cache
def pickled(name, index):
    return dumps(record(name, index), 4)


def reader(name):
    """Rows, and what adds members to them."""
    room = room_of(name)
    rows = TrialRows(name, room.enumeration())
    return rows, Members(rows, room.hps, room.enumeration())


def add(reader, index, data):
    reader.add(index, data, name=f"{index}.pickle", where=f"a tar, {index}.pickle")


def alone(name, index, data):
    """Rows of a member that no other one helps to read, or what is wrong with it."""
    rows, one = reader(name)
    try:
        add(one, index, data)
    except RawDataError as error:
        return str(error)
    return content(rows.flush())


@pytest.mark.parametrize("name", ROOMS)
def test_most_members_are_read_as_an_earlier_one_was(name, monkeypatch):
    rows, one = reader(name)
    for index in INDEXES:
        add(one, index, pickled(name, index))
    assert one.alike >= len(INDEXES) // 4
    monkeypatch.setattr(members, "MAX_TEMPLATES", 0)
    plain, other = reader(name)
    for index in INDEXES:
        add(other, index, pickled(name, index))
    assert other.alike == 0
    assert rows.nbytes == plain.nbytes
    assert content(rows.flush()) == content(plain.flush())


@pytest.fixture(scope="module")
def trained():
    """A reader of the size space, and a member that it reads as an earlier one."""
    rows, one = reader("nats_sss")
    for index in INDEXES:
        before = one.alike
        add(one, index, pickled("nats_sss", index))
        if one.alike > before:
            last = index
    rows.flush()
    return rows, one, last


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # pickletools
@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_changed_member_gives_the_rows_or_the_error_that_it_gives_alone(trained, data):
    rows, one, index = trained
    good = pickled("nats_sss", index)
    names = [opcode(index), opcode(room_of("nats_sss").enumeration()[index])]
    named = [at + 1 for name in names for at in range(len(good)) if good.startswith(name, at)]
    at = data.draw(st.one_of(st.sampled_from(named), st.integers(0, len(good) - 1)))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        add(one, index, bytes(changed))
        found = content(rows.flush())
    except RawDataError as error:
        found = str(error)
        rows.flush()
    assert found == alone("nats_sss", index, bytes(changed))


def test_a_member_under_the_index_of_another_one_is_refused(trained):
    _, one, index = trained
    with pytest.raises(RawDataError, match="another architecture"):
        add(one, index + 1, pickled("nats_sss", index))


def changed(index, change):
    """A member with a change in every trial."""
    states = {
        hp: {
            **state,
            "all_results": {
                key: {**result, **change(result)} for key, result in state["all_results"].items()
            },
        }
        for hp, state in record("nats_sss", index).items()
    }
    return dumps(states, 4)


@pytest.mark.parametrize(
    ("change", "learned"),
    [
        (lambda _: {"latency": None}, True),
        (lambda _: {"params": None}, True),
        (lambda result: {"train_acc1es": None, "params": float(result["params"])}, True),
        (lambda _: {"params": 3}, False),
        (lambda _: {"params": 2**52 + 5}, False),
        (lambda _: {"params": np.int64(5)}, False),
        (lambda _: {"params": np.float32("nan")}, False),
        (lambda result: {"latency": [0.5, *result["latency"]]}, False),
        (lambda _: {"more": 0.5}, False),
        (lambda result: {"arch_config": {**result["arch_config"], "class_num": 0.5}}, False),
        (lambda result: {"train_losses": {**result["train_losses"], 0: 1}}, False),
        (lambda _: {"net_state_dict": {0.5: 1, 1.5: np.float64(2)}}, True),
    ],
)
def test_what_is_no_float_of_a_column_is_not_taken_for_one(change, learned):
    rows, one = reader("nats_sss")
    for index in INDEXES:
        data = changed(index, change)
        add(one, index, data)
        assert content(rows.flush()) == alone("nats_sss", index, data)
    assert (one.alike > 0) == learned


def test_where_members_are_not_alike_few_templates_are_tried(monkeypatch):
    tried = []
    learn = Template.of
    monkeypatch.setattr(Template, "of", lambda *given: tried.append(1) or learn(*given))
    _, one = reader("nats_sss")
    data = changed(INDEXES[0], lambda _: {"more": 0.5})
    for _ in range(150):
        add(one, INDEXES[0], data)
    assert len(tried) == members.TRIES + 150 // members.TRIES**2
