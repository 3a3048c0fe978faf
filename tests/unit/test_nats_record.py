"""ArchResults records become rows of trials, number for number; others are refused."""

from __future__ import annotations

import copy
import json
import math
import pickle
import struct
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks.nats_common.datasets import EPOCHS, IMAGES
from nasbase.benchmarks.nats_common.record import TrialRows
from nasbase.benchmarks.nats_common.sample import arch_results
from nasbase.benchmarks.nats_common.topology import enumeration
from nasbase.containers.pickles import decompress, load
from nasbase.errors import RawDataError
from nasbase.tables.catalogue import series
from nasbase.tables.shards import shard_trials

TABLES = {
    "train_acc_pct": "train_acc1es",
    "train_acc5_pct": "train_acc5es",
    "train_loss": "train_losses",
    "train_time_s": "train_times",
    "acc_pct": "eval_acc1es",
    "loss": "eval_losses",
    "time_s": "eval_times",
}


def bits(value):
    return struct.pack("<d", value)


def column_points(name, result):
    """What a column must hold: epoch from 1 -> released value."""
    if name.startswith("train_"):
        return {epoch + 1: value for epoch, value in (result[TABLES[name]] or {}).items()}
    split, _, kind = next(
        (split, _, name.removeprefix(split + "_"))
        for split, _ in ((s, None) for s in ("x_valid", "x_test", "ori_test"))
        if name.startswith(split)
    )
    points = {}
    for key, value in (result[TABLES[kind]] or {}).items():
        where, epoch = key.split("@")
        if where.replace("-", "_") == split:
            points[int(epoch) + 1] = value
    return points


def check_rows(benchmark, states, table):
    """Every number of ``states`` (hp -> state) stands in ``table``, and nothing else does."""
    table.validate(full=True)
    assert table.schema.equals(shard_trials(benchmark))
    rows = iter(table.to_pylist())
    for hp, state in states.items():
        for (dataset, seed), result in state["all_results"].items():
            row = next(rows)
            assert (row["arch_id"], row["dataset"]) == (state["arch_index"], dataset)
            assert (row["num_epochs"], row["seed"]) == (EPOCHS[hp], seed)
            assert row["run_order"] == seed
            present = set()
            for column in series(benchmark):
                points = column_points(column.name, result)
                values = row[column.name]
                if not points:
                    assert values is None
                    continue
                present |= set(points)
                found = dict(zip(row["epoch"], values, strict=True))
                given = {epoch: value for epoch, value in found.items() if value is not None}
                assert {e: bits(v) for e, v in given.items()} == {
                    e: bits(v) for e, v in points.items()
                }
            assert row["epoch"] == sorted(present)
            assert row["params_m"] == result["params"]
            assert row["flops_m"] == result["flop"]
            assert row["latency_s"] == (result["latency"] or [None])[0]
            assert row["extra"] is None
    assert next(rows, None) is None


@pytest.mark.parametrize(
    ("benchmark", "folder"),
    [
        ("nats_tss", "NATS-tss-v1_0-3ffb9-simple"),
        ("nats_sss", "NATS-sss-v1_0-50262-simple"),
        ("nb201", "NATS-tss-v1_0-3ffb9-simple"),
    ],
)
def test_every_number_of_the_real_members_is_kept(realdata, benchmark, folder):
    for path in sorted((realdata / "nats" / folder).glob("0*.pbz2")):
        raw = decompress(path.read_bytes(), limit=1 << 26, where=path.name)
        states, rows = load(raw, where=path.name), TrialRows(benchmark)
        position = 0
        for hp, state in states.items():
            position += rows.add(
                int(path.name[:6]), EPOCHS[hp], state, source_file=path.name, first_pos=position
            )
        table = rows.flush()
        check_rows(benchmark, pickle.loads(raw), table)
        assert table["source_pos"].to_pylist() == list(range(position))
        assert set(table["source_file"].to_pylist()) == {path.name}


# ---------------------------------------------------------------------------------------------
# any presence


VALUES = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -0.0, 5e-324]))


@st.composite
def results(draw, dataset, num_epochs):
    base = arch_results("nats_tss", 3, enumeration()[3], "12", np.random.default_rng(1))
    result = dict(base["all_results"][dataset, 111])

    def table(keys, *, nullable=True):
        chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=len(keys)))
        if nullable and not chosen and draw(st.booleans()):
            return None
        return {key: draw(VALUES) for key in chosen}

    epochs = list(range(num_epochs))
    sets = [f"{s}@{e}" for s in IMAGES[dataset] if s != "train" for e in epochs]
    for name in ("train_acc5es", "train_losses", "train_times"):
        result[name] = table(epochs)
    for name in ("eval_acc1es", "eval_losses", "eval_times"):
        result[name] = table(sets)
    result["train_acc1es"] = table(epochs) or {draw(st.sampled_from(epochs)): draw(VALUES)}
    result.update(name=dataset, epochs=num_epochs)
    return result


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_presence_and_order_of_epochs_is_kept(data):
    rows = TrialRows("nats_tss")
    states = {}
    for hp in ("01", "12"):
        chosen = data.draw(st.lists(st.sampled_from(list(IMAGES)), min_size=1, unique=True))
        results_of = {(name, 111): data.draw(results(name, EPOCHS[hp])) for name in chosen}
        states[hp] = {
            "arch_index": 3,
            "arch_str": enumeration()[3],
            "all_results": results_of,
            "dataset_seed": {name: [111] for name in chosen},
            "clear_net_done": True,
        }
        added = rows.add(3, EPOCHS[hp], states[hp], source_file="x", first_pos=0)
        assert added == len(chosen)
    assert rows.nbytes > 0
    check_rows("nats_tss", states, rows.flush())
    assert rows.nbytes == 0
    assert rows.flush().num_rows == 0


class Table(Mapping):
    """A per-epoch table with its keys and values at hand."""

    def __init__(self, plain):
        self.keys_tuple = tuple(plain)
        self.values_array = np.array(list(plain.values()))

    def __getitem__(self, key):
        return self.values_array[self.keys_tuple.index(key)]

    def __iter__(self):
        return iter(self.keys_tuple)

    def __len__(self):
        return len(self.keys_tuple)


def test_tables_with_arrays_at_hand_give_the_same_rows():
    state = record()
    wrapped = copy.deepcopy(state)
    for result in wrapped["all_results"].values():
        for name, value in result.items():
            if name.startswith(("train_", "eval_")) and isinstance(value, dict):
                result[name] = Table(value)
    tables = []
    for this in (state, wrapped):
        rows = TrialRows("nats_tss", enumeration())
        rows.add(11, 12, this, source_file="x", first_pos=0)
        tables.append(rows.flush())
    assert tables[0].equals(tables[1])


# ---------------------------------------------------------------------------------------------
# what is odd but kept, and what is refused


def record(hp="12", index=11):
    rng = np.random.default_rng(5)
    return arch_results("nats_tss", index, enumeration()[index], hp, rng)


def add(state, epochs=12, index=11):
    rows = TrialRows("nats_tss", enumeration())
    rows.add(index, epochs, state, source_file="000011.pickle.pbz2", first_pos=0)
    return rows.flush().to_pylist()


def first(state):
    return next(iter(state["all_results"].values()))


def test_what_has_no_column_is_kept_as_json():
    state = record()
    several = first(state)
    several["latency"] = [0.1, 0.2]
    several["note"] = {"why": [1, None]}
    several["arch_config"] = {**several["arch_config"], "channel": 17}
    several["params"] = None
    row, other = add(state)[:2]
    assert json.loads(row["extra"]) == {
        "latency": [0.1, 0.2],
        "note": {"why": [1, None]},
        "arch_config": {**several["arch_config"]},
    }
    assert row["latency_s"] is None
    assert row["params_m"] is None
    assert other["extra"] is None


def test_weights_are_not_looked_at():
    state = record()
    first(state)["net_state_dict"] = object()
    assert add(state) == add(record())


def change(path, value):
    def apply(state):
        target = state
        for key in path[:-1]:
            target = target[key] if key != "first" else first(target)
        if value is KeyError:
            del target[path[-1]]
        else:
            target[path[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (change(["arch_index"], 12), "of another architecture"),
        (change(["arch_index"], True), "of another architecture"),
        (change(["arch_str"], None), "no architecture string"),
        (change(["arch_str"], enumeration()[12]), "not the one at its index"),
        (change(["extra"], 1), "not an ArchResults"),
        (change(["clear_net_done"], KeyError), "not an ArchResults"),
        (change(["all_results"], None), "no tables"),
        (change(["dataset_seed", "cifar10"], [111, 777]), "same trials"),
        (change(["dataset_seed", "cifar10"], []), "same trials"),
        (change(["dataset_seed", "cifar10"], 111), "does not list seeds"),
        (change(["dataset_seed", "cifar10-valid"], [111, 111]), "same trials"),
        (change(["first", "name"], "cifar10"), "name is not its data set"),
        (change(["first", "seed"], "777"), "seed is not that of its key"),
        (change(["first", "seed"], 777), "seed is not that of its key"),
        (change(["first", "epochs"], 200), "another schedule"),
        (change(["first", "eval_names"], ["x-valid", "y"]), "unknown splits"),
        (change(["first", "eval_names"], [[]]), "unknown splits"),
        (change(["first", "flop"], KeyError), "not a ResultsCount"),
        (change(["first", "flop"], "15"), "flop is not a number"),
        (change(["first", "params"], True), "params is not a number"),
        (change(["first", "latency"], ["fast"]), "latency is not a number"),
        (change(["first", "latency"], object()), "cannot be kept as JSON"),
        (change(["first", "what"], {1, 2}), "cannot be kept as JSON"),
        (change(["first", "train_losses"], [1.0]), "not a table"),
        (change(["first", "train_losses", 3], "0.5"), "something else than numbers"),
        (change(["first", "train_losses", 3], None), "something else than numbers"),
        (change(["first", "train_losses", 3], 10**400), "something else than numbers"),
        (change(["first", "train_losses", 12], 0.5), "An epoch is none"),
        (change(["first", "train_losses", -1], 0.5), "An epoch is none"),
        (change(["first", "train_losses", "3"], 0.5), "An epoch is none"),
        (change(["first", "eval_losses", "x-valid@12"], 0.5), "unknown key"),
        (change(["first", "eval_losses", "x-valid@03"], 0.5), "unknown key"),
        (change(["first", "eval_losses", "x-valid@-1"], 0.5), "unknown key"),
        (change(["first", "eval_losses", "x-valid@٣"], 0.5), "unknown key"),
        (change(["first", "eval_losses", "x-test@3"], 0.5), "unknown key"),
        (change(["first", "eval_losses", "train@3"], 0.5), "unknown key"),
        (change(["first", "eval_losses", 3], 0.5), "unknown key"),
    ],
)
def test_records_of_another_structure_are_refused(apply, message):
    state = record()
    apply(state)
    with pytest.raises(RawDataError, match=message) as caught:
        add(state)
    text = str(caught.value)
    assert "000011.pickle.pbz2, architecture 11, schedule of 12 epochs" in text
    assert all(label in text for label in ("expected: ", "found: ", "what to do: "))


@pytest.mark.parametrize("key", [("cifar11", 111), ("cifar10", "111"), "cifar10", ("cifar10", -1)])
def test_trials_with_another_key_are_refused(key):
    state = record()
    state["all_results"] = {key: state["all_results"]["cifar10", 111]}
    state["dataset_seed"] = {key[0]: [key[1]]} if isinstance(key, tuple) else {"c": ["i"]}
    with pytest.raises(RawDataError):
        add(state)


def test_a_trial_without_any_number_is_refused():
    state = record()
    for name in list(first(state)):
        if name.startswith(("train_", "eval_")) and name != "eval_names":
            first(state)[name] = None
    with pytest.raises(RawDataError, match="no values at all"):
        add(state)


@pytest.mark.parametrize("state", [None, [], {}, "x", {"arch_index": 11}])
def test_what_is_no_record_is_refused(state):
    with pytest.raises(RawDataError, match="not an ArchResults"):
        add(state)
