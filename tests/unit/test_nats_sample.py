"""Sample releases have upstream's structure: upstream's own package reads them."""

from __future__ import annotations

import bz2
import pickle
import pickletools
from collections import Counter

import numpy as np
import pytest

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nats_common import archives, sample, topology
from nasbase.benchmarks.nats_common.datasets import DATASETS, EPOCHS, IMAGES
from nasbase.containers.pickles import dumps, load
from nasbase.errors import ConfigError

ROOMS = ("nats_tss", "nats_sss")


def shape(value):
    """The structure of an object: types, keys, lengths; numbers left out."""
    if isinstance(value, dict):
        return type(value).__name__, {key: shape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [shape(item) for item in value]
    return type(value).__name__


def real_member(realdata, room, index):
    (folder,) = (realdata / "nats").glob(f"NATS-{room[-3:]}-*")
    return pickle.loads(bz2.decompress((folder / f"{index:06d}.pickle.pbz2").read_bytes()))


def made(room, index, hp, seed=1):
    text = room_of(room).enumeration()[index]
    return sample.arch_results(room, index, text, hp, np.random.default_rng((seed, index)))


@pytest.mark.parametrize("room", ROOMS)
def test_records_have_the_structure_of_real_ones(realdata, room):
    real = real_member(realdata, room, 11)
    for hp, state in real.items():
        ours = made(room, 11, hp)
        assert list(ours) == list(state)
        assert ours["dataset_seed"] == state["dataset_seed"]
        assert set(ours["all_results"]) == set(state["all_results"])
        for key, result in state["all_results"].items():
            this = ours["all_results"][key]
            assert list(this) == list(result)
            assert shape(this) == shape(result)
            assert [list(v) for v in this.values() if isinstance(v, dict)] == [
                list(v) for v in result.values() if isinstance(v, dict)
            ]
            for name in ("arch_config", "params", "flop", "eval_names"):
                assert this[name] == result[name]


@pytest.mark.parametrize("room", ROOMS)
def test_pickles_share_the_strings_that_real_ones_share(realdata, room):
    real = real_member(realdata, room, 11)
    for hp in real:
        one, other = (
            Counter(op.name for op, _, _ in pickletools.genops(dumps(state, 4)))
            for state in (made(room, 11, hp), real[hp])
        )
        if (room, hp) == ("nats_sss", "12"):  # one more text per seed: the cell
            one.update({"SHORT_BINUNICODE": 2, "MEMOIZE": 2})
            del one["BINGET"], one["LONG_BINGET"], other["BINGET"], other["LONG_BINGET"]
        assert one == other


def test_numbers_lie_on_upstreams_grids_and_ratios():
    for room, hp in (("nats_tss", "12"), ("nats_tss", "200"), ("nats_sss", "90")):
        for (dataset, _seed), result in made(room, 123, hp)["all_results"].items():
            for name, table in (("train", result["train_acc1es"]), ("", result["eval_acc1es"])):
                for key, value in table.items():
                    images = IMAGES[dataset][name or key.split("@")[0]]
                    right = value / 100 * images
                    assert 0 <= value <= 100
                    assert abs(right - round(right)) < 1e-5
            if "x-test" in IMAGES[dataset]:
                last = EPOCHS[hp] - 1
                valid, test, both = (
                    result["eval_acc1es"][f"{name}@{last}"]
                    for name in IMAGES[dataset]
                    if name != "train"
                )
                assert (valid + test) / 2 == pytest.approx(both, abs=1e-7)
    times = {
        dataset: result["train_times"][0]
        for (dataset, _), result in made("nats_tss", 123, "12")["all_results"].items()
    }
    ratios = [times[dataset] / times["cifar10-valid"] for dataset in DATASETS]
    assert ratios == pytest.approx([1, 2, 2, 6.068])


def test_quirks_are_where_tests_look_for_them():
    diverged = made("nats_tss", sample.DIVERGED_INDEX, "200")["all_results"]["cifar10", 777]
    assert np.isnan(diverged["train_losses"][199])
    assert diverged["eval_acc1es"]["ori-test@199"] == pytest.approx(10, abs=1)
    wrong = made("nats_tss", sample.WRONG_SIZE_INDEX, "200")["all_results"]["cifar10", 999]
    right = topology.costs(topology.enumeration()[sample.WRONG_SIZE_INDEX], "cifar10")
    assert round(wrong["params"] * 1e6) != right[0]
    assert made("nats_tss", 347, "200")["dataset_seed"]["cifar10"] == [777, 888]


def test_runs_and_orders_vary_as_upstreams():
    counts, orders = Counter(), set()
    for index in range(300):
        rng = np.random.default_rng((3, index))
        seeds = sample.full_seeds(index, rng)
        counts[len(seeds)] += 1
        orders.add(
            tuple(dict.fromkeys(s for _, s in sample._trials("nats_tss", index, "200", rng)))
        )
    assert counts[3] > counts[2] > counts[1] > 0
    assert len(orders) > 5


@pytest.mark.parametrize("room", ROOMS)
def test_upstreams_package_reads_every_form(tmp_path, room):
    import nats_bench

    kind = room[-3:]
    this = room_of(room)
    rows = this.write_sample(
        tmp_path, architectures=7, seed=3, options={"form": "all"}, progress=lambda _: None
    )
    names = {row["form"]: row["name"] for row in rows}
    fast = nats_bench.create(str(tmp_path / names["dir"]), kind, fast_mode=True, verbose=False)
    path = tmp_path / names["pickle"]
    whole = nats_bench.create(str(path), kind, fast_mode=False, verbose=False)
    assert len(whole.evaluated_indexes) == 7
    assert set(this.always) <= whole.evaluated_indexes
    for index in sorted(whole.evaluated_indexes):
        for hp in this.hps:
            for dataset in DATASETS:
                one, other = (
                    api.get_more_info(index, dataset, hp=hp, is_random=False)
                    for api in (fast, whole)
                )
                assert repr(one) == repr(other)
                assert one["train-loss"] is not None
            cost = whole.get_cost_info(index, "cifar10", hp)
            params, macs = this.architecture_costs(this.enumeration()[index], "cifar10")
            assert cost["params"] == pytest.approx(params / 1e6, abs=1e-12)
            assert cost["flops"] == pytest.approx(macs / 1e6, abs=1e-12)


def test_bytes_depend_on_the_arguments_alone(tmp_path):
    room = "nats_sss"

    def digests(folder, **arguments):
        rows = room_of(room).write_sample(
            tmp_path / folder, options={"form": "all"}, progress=lambda _: None, **arguments
        )
        return {row["form"]: row["sha256"] for row in rows}

    first = digests("a", architectures=6, seed=3)
    assert first == digests("b", architectures=6, seed=3)
    assert first["tar"] == first["dir"]
    assert first["tar"] != digests("c", architectures=6, seed=4)["tar"]


def test_members_made_in_processes_are_the_same(tmp_path, monkeypatch):
    digests = []
    for inline in (0, 1000):
        monkeypatch.setattr(archives, "_INLINE", inline)
        (row,) = room_of("nats_sss").write_sample(
            tmp_path / str(inline), architectures=9, seed=1, options={}, progress=lambda _: None
        )
        digests.append(row["sha256"])
    assert digests[0] == digests[1]


def test_unknown_options_are_refused(tmp_path):
    room = room_of("nats_sss")
    for options in ({"form": "zip"}, {"shape": "tar"}):
        with pytest.raises(ConfigError, match="one option"):
            room.write_sample(tmp_path, architectures=6, seed=1, options=options, progress=print)


@pytest.mark.parametrize("room", ROOMS)
def test_the_large_pickle_is_what_pickling_it_at_once_gives(room):
    this = room_of(room)
    indexes = archives.chosen_indexes(this, 7, seed=3)
    pieces = b"".join(archives._large_pickle(this, indexes, seed=3))
    whole = archives._meta(this) | {
        "arch2infos": {index: archives.member(this, index, 3) for index in indexes},
        "evaluated_indexes": set(indexes),
    }
    assert repr(pickle.loads(pieces)) == repr(whole)
    assert repr(load(pieces, where="x")["arch2infos"][11]) == repr(
        load(dumps(whole["arch2infos"][11], 4), where="x")
    )
