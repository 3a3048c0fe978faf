"""The mapping of records behind the drop-ins, and where records come from."""

from __future__ import annotations

import bz2
import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from nasbase.compat.nats_bench import ArchResults, ResultsCount, api_utils
from nasbase.compat.records import files
from nasbase.compat.records.library import Library, Records
from nasbase.containers.float_map import FloatMap
from nasbase.errors import RawDataError


class Shelf(Library):
    """Counts what is read."""

    KEPT = 2

    def __init__(self):
        self.read = []

    @property
    def meta_archs(self):
        return ["a", "b", "c", "d"]

    def indexes(self):
        return [0, 1, 2, 3]

    def all_hps(self):
        return ["12"]

    def hps(self, index):  # noqa: ARG002
        return ["12"]

    def record(self, index, hp):
        self.read.append((index, hp))
        return ArchResults(index, "abcd"[index])


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def records(shelf):
    made = Records(shelf)
    for index in shelf.indexes():
        made.shelve(index, shelf)
    return made


def test_nothing_is_read_before_it_is_asked_for(records, shelf):
    assert list(records) == [0, 1, 2, 3]
    assert 2 in records
    assert 4 not in records
    assert len(records) == 4
    assert shelf.read == []


def test_what_is_looked_at_is_kept_within_bounds(records, shelf):
    for index in (0, 0, 1, 0, 2, 1):
        records.record(index, "12")
    assert shelf.read == [(0, "12"), (1, "12"), (2, "12"), (1, "12")]
    assert records.apart == set()


def test_what_is_handed_out_stays(records, shelf):
    entry = records[1]
    assert isinstance(entry, OrderedDict)
    assert records[1] is entry
    assert records.record(1, "12") is entry["12"]
    assert records.apart == {1}
    entry["12"].arch_str = "changed"
    for index in (0, 2, 3, 0):
        records.record(index, "12")
    assert records.record(1, "12").arch_str == "changed"
    records.shelve(1, shelf)  # read anew
    assert records.record(1, "12").arch_str == "b"
    assert records.apart == set()


def test_it_is_a_mapping(records):
    assert sorted(records.keys()) == [0, 1, 2, 3]
    assert [list(entry) for entry in records.values()] == [["12"]] * 4
    assert [index for index, _ in records.items()] == [0, 1, 2, 3]
    assert records.get(9) is None
    with pytest.raises(KeyError):
        records[9]
    with pytest.raises(KeyError):
        records.record(9, "12")
    del records[0]
    assert 0 not in records
    records[7] = {"12": "mine"}
    assert records.record(7, "12") == "mine"
    assert records.hps(7) == ["12"]


def test_answers_are_forgotten_with_their_records(records, shelf):
    answer = {"x": 1}
    assert records.answered((0, "q"), answer) is answer
    assert records.answers[0, "q"] == answer
    assert records.answers[0, "q"] is not answer
    records.shelve(0, shelf)
    assert records.answers == {}
    entry = records[1]
    records.answered((1, "q"), answer)  # may be changed at any time
    assert records.answers == {}
    assert entry["12"].arch_index == 1
    records.MAX_ANSWERS = 2
    for number in range(5):
        records.answered((0, number), answer)
    assert len(records.answers) <= 2


def test_copies_read_nothing(records, shelf):
    entry = records[3]
    before = list(shelf.read)
    twin = copy.deepcopy(records)
    assert shelf.read == before
    assert list(twin) == list(records)
    assert twin[3]["12"] is not entry["12"]


# ---------------------------------------------------------------------------------------------
# files


def test_curves_that_never_change_take_one_number():
    same = FloatMap(tuple(range(200)), np.full(200, 1.25))
    other = FloatMap((0, 1), np.array([0.0, -0.0]))
    found = files._compact({"a": {"same": same, "other": other}, "b": [1]})
    assert found["a"]["same"].values_array.strides == (0,)
    assert dict(found["a"]["same"]) == dict(same)
    assert found["a"]["other"] is other
    assert found["b"] == [1]


def test_a_streamed_state_has_upstreams_types():
    result = {
        "train_times": {0: 1.0}, "params": 1.5, "latency": [0.5], "flop": 2.5, "seed": "0777",
        "train_losses": FloatMap((0, 1), np.array([1.0, 2.0])),
    }  # fmt: skip
    state = {"arch_index": 3, "all_results": {("cifar10", 777): result}}
    restored = files._restored(state)["all_results"]["cifar10", 777]
    assert type(restored["train_times"]) is OrderedDict
    assert type(restored["params"]) is np.float64
    assert [type(value) for value in restored["latency"]] == [np.float64]
    assert type(restored["flop"]) is float
    assert type(restored["train_losses"]) is dict
    assert restored["train_losses"] == {0: 1.0, 1: 2.0}


def test_pickles_are_read_whole_or_refused(tmp_path):
    content = OrderedDict(a=[np.float64(1.5), (1, "x")], b={1, 2})
    api_utils.pickle_save(content, tmp_path / "one.pickle")
    found = api_utils.pickle_load(tmp_path / "one.pickle")
    assert found == content
    assert type(found) is OrderedDict
    packed = (tmp_path / "one.pickle.pbz2").read_bytes()
    (tmp_path / "cut.pbz2").write_bytes(packed[:-4])
    (tmp_path / "more.pbz2").write_bytes(bz2.compress(bz2.decompress(packed) + b"."))
    (tmp_path / "array.pbz2").write_bytes(bz2.compress(pickle.dumps(np.zeros(3))))
    for name in ("cut", "more", "array"):
        with pytest.raises(RawDataError):
            api_utils.pickle_load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        api_utils.pickle_load(tmp_path / "none")


# ---------------------------------------------------------------------------------------------
# records


def test_a_record_built_by_hand():
    """What upstream's training scripts do: fill in a record step by step."""
    record = ArchResults(5, "cell")
    result = ResultsCount(
        "cifar10", None, {0: 10.0}, {0: 2.0}, 1.5, 20.0, {"arch_str": "cell"}, 777, 1, None
    )
    assert result.get_latency() == -1.0
    result.update_train_info({0: 11.0}, None, {0: 1.5}, None)
    assert result.get_train() == {
        "iepoch": 0, "loss": 1.5, "accuracy": 11.0, "cur_time": None, "all_time": None,
    }  # fmt: skip
    result.update_eval({"x-valid@0": 9.0}, {"x-valid@0": 3.0}, {"x-valid@0": 0.25})
    with pytest.raises(ValueError, match="already been added"):
        result.update_eval({"x-valid@0": 9.0}, {"x-valid@0": 3.0}, {"x-valid@0": 0.25})
    result.update_OLD_eval("old", {0: 1.0}, {0: 2.0})
    with pytest.raises(AssertionError, match="already added"):
        result.update_OLD_eval("old", {}, {})
    assert result.get_eval("valid")["all_time"] == 0.25
    with pytest.raises(ValueError, match="old@0 not in dict_keys"):
        result.get_eval("old")
    result.update_latency([0.5, 1.0])
    record.update("cifar10", 777, result)
    assert record.get_latency("cifar10") == 0.75
    with pytest.raises(ValueError, match="alreadly has this seed"):
        record.update("cifar10", 777, result)
    assert repr(record) == "ArchResults(arch-index=5, arch=cell, 1 runs, clear=False)"
    record.clear_params()
    assert record.clear_net_done
    with pytest.raises(ValueError, match="invalid eval name"):
        result.reset_pseudo_eval_times("none", 1.0)
    result.reset_pseudo_train_times(4.0)
    assert result.get_times()["T-train@total"] == 4.0
    assert result.get_times()["T-old@total"] is None
