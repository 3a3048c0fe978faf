"""nats_bench 1.8 and its drop-in: the same thousands of calls, the same outcomes."""

from __future__ import annotations

import bz2
import copy
import itertools
import pickle
import random
import re
import shutil
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import releases
from calls import TIMES, outcome, same, same_outcome
from stepwise import build
from test_nats_bench import FOLDERS, HPS, sampled

from nasbase.compat import nats_bench as drop_in
from nasbase.compat.nats_bench import api_size, api_topology, api_utils, genotype_utils
from nasbase.errors import ArtifactError, RawDataError

nats_bench = pytest.importorskip("nats_bench")

CALLS = 100
"""Random calls per release and way of opening it."""

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SETS = ("train", "x-valid", "x-test", "ori-test", "valid", "test")


# ---------------------------------------------------------------------------------------------
# releases


@dataclass
class Release:
    """One release in upstream's forms and as a build."""

    benchmark: str
    kind: str
    folder: Path
    indexes: list[int]
    build: Path
    large: Path
    rng: random.Random

    @property
    def space(self) -> str:
        return self.benchmark[-3:]

    def tar(self) -> Path:
        path = self.folder.with_suffix(".tar")
        return path if path.exists() else releases.nats_tar(self.folder, self.rng)


def read_members(folder: Path) -> tuple[dict, dict[int, OrderedDict]]:
    members = {path.name.split(".")[0]: path for path in folder.glob("*.pickle.pbz2")}
    found = {
        name: pickle.loads(bz2.decompress(path.read_bytes())) for name, path in members.items()
    }
    meta = found.pop("meta")
    return meta, {int(name): record for name, record in found.items()}


def as_built(record: dict) -> dict:
    """A record with what a build does not keep in the one way that a build gives it back.

    The order of the epochs and sets in a table, and whether an empty table was None.
    """
    for result in (r for state in record.values() for r in state["all_results"].values()):
        epochs, sets = result["epochs"], list(releases.IMAGES[result["name"]])[1:]
        for name in ("train_acc1es", "train_losses", "train_acc5es"):
            if result[name] is not None:
                result[name] = dict(sorted(result[name].items()))
        result["train_acc5es"] = result["train_acc5es"] or None
        times = result["train_times"]
        result["train_times"] = OrderedDict(sorted(times.items())) if times else None

        def in_part(name: str) -> bool:
            found = [f"{name}@{e}" in result["eval_acc1es"] for e in range(epochs)]  # noqa: B023
            return any(found) and not all(found)

        ordered = sorted(sets, key=in_part)
        result["eval_names"] = ordered
        for name in ("eval_acc1es", "eval_losses", "eval_times"):
            order = sets if name == "eval_times" else ordered
            keys = [f"{one}@{e}" for one in order for e in range(epochs)]
            result[name] = {key: result[name][key] for key in keys if key in result[name]}
    return record


def awkward(folder: Path, benchmark: str, seed: int) -> tuple[Path, str, str]:
    rng = random.Random(seed)
    indexes = rng.sample(range(15_625), 7)
    records = {i: as_built(releases.record(benchmark, i, HPS[benchmark], rng)) for i in indexes}
    members = releases.nats_dir(folder, benchmark, records, rng)
    table = {benchmark: {"sample-awkward": [releases.describe(members, "dir")]}}
    releases.write_table(folder / "sources.yaml", table)
    return members, "sample-awkward", "sources.yaml"


def genuine(folder: Path, benchmark: str, realdata: Path) -> tuple[Path, str, str]:
    members = realdata / "nats" / FOLDERS[benchmark]
    file = {"name": members.name, "form": "dir", "urls": [members.as_uri()]}
    releases.write_table(folder / "sources.yaml", {benchmark: {"1.0": [file]}}, synthetic=False)
    return members, "1.0", "sources.yaml"


PLAIN = [("nats_tss", "sample", 21), ("nats_sss", "sample", 22)]
RELEASES = [
    *PLAIN,
    ("nats_tss", "awkward", 23),
    ("nats_tss", "awkward", 24),
    ("nats_sss", "awkward", 25),
    pytest.param(("nats_tss", "real", 26), marks=pytest.mark.realdata),
    pytest.param(("nats_sss", "real", 27), marks=pytest.mark.realdata),
]


@pytest.fixture(scope="module")
def make(request, tmp_path_factory):
    """Each release once."""
    made: dict[tuple, Release] = {}

    def get(param: tuple) -> Release:
        if param not in made:
            realdata = request.getfixturevalue("realdata") if param[1] == "real" else None
            made[param] = new_release(param, tmp_path_factory.mktemp("release"), realdata)
        return made[param]

    return get


@pytest.fixture(params=RELEASES, ids=lambda param: "-".join(map(str, param)))
def release(request, make) -> Release:
    """Any release."""
    return make(request.param)


@pytest.fixture(params=PLAIN, ids=lambda param: param[0])
def plain(request, make) -> Release:
    """A release without gaps, for what has nothing to do with gaps."""
    return make(request.param)


def new_release(param: tuple, folder: Path, realdata: Path | None) -> Release:
    benchmark, kind, seed = param
    if kind == "sample":
        members, name, table = sampled(folder, benchmark, seed)
    elif kind == "awkward":
        members, name, table = awkward(folder, benchmark, seed)
    else:
        members, name, table = genuine(folder, benchmark, realdata)
    built = build(folder, benchmark, name, table, partial=True, outputs=["parquet", "sqlite"])
    meta, records = read_members(members)
    large = folder / "large.pickle.pbz2"
    whole = {**meta, "arch2infos": records, "evaluated_indexes": set(records)}
    large.write_bytes(bz2.compress(pickle.dumps(whole, 4)))
    if kind == "real":  # tests write beside it
        members = Path(shutil.copytree(members, folder / members.name))
    return Release(benchmark, kind, members, sorted(records), built, large, random.Random(seed))


WAYS = {
    # our source and mode, upstream's source and mode
    "build, fast": ("build", True, "folder", True),
    "build": ("build", False, "large", False),
    "folder": ("folder", True, "folder", True),
    "tar, fast": ("tar", True, "folder", True),
    "tar": ("tar", False, "large", False),
    "file": ("large", False, "large", False),
    "dict": ("dict", False, "dict", False),
}


def opened(release: Release, way: str, *, verbose: bool = False) -> tuple[Any, Any]:
    """Our interface and upstream's on the same records."""
    ours, ours_fast, theirs, theirs_fast = WAYS[way]

    def source(name: str) -> Any:
        if name == "dict":
            return pickle.loads(bz2.decompress(release.large.read_bytes()))
        return str(release.tar() if name == "tar" else getattr(release, name))

    mine = drop_in.create(source(ours), release.space, ours_fast, verbose)
    return mine, nats_bench.create(source(theirs), release.space, theirs_fast, verbose)


# ---------------------------------------------------------------------------------------------
# random calls


class Cell:
    """Anything that can say its string."""

    def __init__(self, text: str) -> None:
        self.text = text

    def tostr(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "Cell"


class Asker:
    """Draws calls, a good part of them mistakes."""

    def __init__(self, release: Release, meta_archs: list[str], seed: int) -> None:
        self.rng = random.Random(seed)
        self.release, self.archs = release, meta_archs
        self.hps = {**HPS, "nb201": ("12", "200")}[release.benchmark]

    def index(self) -> Any:
        rng, known = self.rng, self.rng.choice(self.release.indexes)
        mistakes = (
            -1, len(self.archs), len(self.archs) - 1, np.int64(known), "no such cell", None,
            Cell("nor this"), True, 2.5, str(known), -known - 1,
        )  # fmt: skip
        if rng.random() < 0.12:
            return rng.choice(mistakes)
        return known

    def arch(self) -> Any:
        index = self.index()
        if type(index) is int and 0 <= index < len(self.archs) and self.rng.random() < 0.4:
            return self.rng.choice([self.archs[index], Cell(self.archs[index])])
        return index

    def dataset(self) -> Any:
        if self.rng.random() < 0.06:
            return self.rng.choice(["cifar-10", "", None, "imagenet", 7, "CIFAR10"])
        return self.rng.choice(DATASETS)

    def hp(self) -> Any:
        if self.rng.random() < 0.1:
            return self.rng.choice([12, 200, 90, "13", None, "less", 1, 12.0])
        return self.rng.choice(self.hps)

    def iepoch(self, hp: Any) -> Any:
        epochs = int(hp) if str(hp).isdecimal() else 12
        if self.rng.random() < 0.08:
            return self.rng.choice([-1, epochs, 10**6, "3", 2.0, True, np.int64(0), 1.5])
        return self.rng.choice([None, 0, epochs - 1, self.rng.randrange(max(epochs, 1))])

    def seed(self) -> Any:
        return self.rng.choice(
            [True, True, True, False, False, 111, 777, 888, 999, 112, None, "777", np.int64(777)]
        )

    def call(self) -> tuple[str, tuple, dict]:
        name = self.rng.choice(
            ["get_more_info"] * 8
            + ["simulate_train_eval"] * 5
            + ["get_cost_info", "get_latency"] * 3
            + ["query_by_index", "query_meta_info_by_index", "query_info_str_by_arch"] * 2
            + ["query_by_arch", "query_index_by_arch", "find_best", "find_best", "statistics"]
            + ["get_net_config", "get_net_param", "arch", "random", "show", "clear_params"]
            + ["reset_time", "__len__", "__getitem__"]
        )
        return name, *getattr(self, f"_{name.strip('_')}")()

    def _get_more_info(self):
        hp = self.hp()
        return (self.arch(), self.dataset(), self.iepoch(hp), hp, self.seed()), {}

    def _simulate_train_eval(self):
        hp = self.hp()
        more = {"account_time": False} if self.rng.random() < 0.2 else {}
        return (self.arch(), self.dataset(), self.iepoch(hp), hp), more

    def _get_cost_info(self):
        return (self.index(), self.dataset(), self.hp()), {}

    _get_latency = _get_cost_info

    def _query_by_index(self):
        return (self.index(), self.rng.choice([None, self.dataset()]), self.hp()), {}

    def _query_meta_info_by_index(self):
        return (self.index(), self.hp()), {}

    def _query_info_str_by_arch(self):
        return (self.arch(), self.hp()), {}

    _query_by_arch = _query_info_str_by_arch

    def _query_index_by_arch(self):
        return (self.arch(),), {}

    def _find_best(self):
        sizes = self.rng.choice(["flop_max", "param_max"])
        limit = {"flop_max": 80.0, "param_max": 0.7}[sizes] * self.rng.random() * 2
        more = {sizes: limit} if self.rng.random() < 0.5 else {}
        enforce = self.rng.choice([False, False, False, None, True])
        dataset, which = self.dataset(), self.rng.choice(SETS)
        return (dataset, which), {**more, "hp": self.hp(), "enforce_all": enforce}

    def _statistics(self):
        return (self.dataset(), self.hp()), {}

    def _get_net_config(self):
        return (self.index(), self.dataset()), {}

    def _get_net_param(self):
        return (self.index(), self.dataset(), self.rng.choice([None, 777, 111, 1]), self.hp()), {}

    def _arch(self):
        return (self.rng.choice([0, 5, len(self.archs) - 1, len(self.archs), -1]),), {}

    def _random(self):
        return (), {}

    def _show(self):
        index = self.index()
        # show(-1) is one of upstream's crashes, and has a test of its own
        return (index if type(index) is not int or index >= 0 else len(self.archs) + 7,), {}

    def _clear_params(self):
        return (self.index(), self.rng.choice([None, self.hp()])), {}

    def _reset_time(self):
        return (), {}

    _len = _reset_time

    def _getitem(self):
        return (self.rng.choice([0, -1, 7, len(self.archs), slice(3), "x"]),), {}


def is_loading_error(error: Any) -> bool:
    """Whether it is about a member that is not there: the path in it is each package's own."""
    return error is not None and error[0] is AssertionError and "invalid data path" in error[1]


def cases() -> list[Any]:
    """Every way of opening samples; of other releases, what their gaps may matter to."""
    found = []
    for param in RELEASES:
        marks = getattr(param, "marks", ())
        (which,) = getattr(param, "values", (param,))
        ways = WAYS if which[1] == "sample" else ("build, fast", "build", "folder", "file")
        name = "-".join(map(str, which))
        found += [pytest.param(which, way, marks=marks, id=f"{name}-{way}") for way in ways]
    return found


@pytest.mark.parametrize(("which", "way"), cases())
def test_calls(make, which, way):
    """Random calls, verbose and not: results, exceptions, printed text, warnings, draws, state."""
    release = make(which)
    ours, theirs = opened(release, way)
    asker = Asker(release, theirs.meta_archs, release.indexes[0])
    failed = 0
    for number in range(CALLS):
        ours.verbose = theirs.verbose = number % 3 == 0
        name, args, kwargs = asker.call()
        about = (way, number, name, args, kwargs)
        found = outcome(ours, name, *args, seed=number, **kwargs)
        expected = outcome(theirs, name, *args, seed=number, **kwargs)
        loading = is_loading_error(expected.error)
        for one in (found, expected):  # upstream's fast mode prints the folder that it reads
            one.printed = re.sub(r"archive_root=\S+", "archive_root=...", one.printed)
        same_outcome(found, expected, about, text=not loading)
        failed += expected.error is not None
        assert ours.used_time == theirs.used_time, about
        assert set(ours.evaluated_indexes) == set(theirs.evaluated_indexes), about
        assert set(ours.arch2infos_dict) == set(theirs.arch2infos_dict), about
        assert sorted(ours.avaliable_hps) == sorted(theirs.avaliable_hps), about
    assert CALLS / 10 < failed < CALLS * 0.9


# ---------------------------------------------------------------------------------------------
# objects


def test_records(release):
    """Every record with every attribute, and every question to them."""
    for way in ("build",) if release.kind == "awkward" else ("build, fast", "tar"):
        ours, theirs = opened(release, way)
        for index, hp in itertools.product(release.indexes, HPS[release.benchmark]):
            mine = ours.query_by_index(index, hp=hp)
            other = theirs.query_by_index(index, hp=hp)
            same(mine, other)
            fresh = ours.query_by_index(index, hp=hp)
            compare_methods(fresh, other)
        if ours.arch2infos_dict.keys() >= set(release.indexes):
            for index in release.indexes:
                assert list(ours.arch2infos_dict[index]) == list(theirs.arch2infos_dict[index])
                same(dict(ours.arch2infos_dict[index]), dict(theirs.arch2infos_dict[index]))


def compare_methods(ours: Any, theirs: Any) -> None:
    for name, *args in (
        ("get_dataset_names",), ("get_total_epoch",), ("get_total_epoch", "cifar100"),
        ("get_total_epoch", 5), ("arch_idx_str",), ("get_latency", "cifar10"),
        ("get_dataset_seeds", "cifar10"), ("get_dataset_seeds", "cifar"), ("query", "cifar10", 3),
        ("get_net_param", "cifar10"), ("get_net_param", "cifar10", 5), ("debug_test",),
        ("get_compute_costs", "cifar100"), ("get_metrics", "cifar100", "ori-test", 3, True),
        ("get_metrics", "cifar100", "x-test", 0, None), ("get_metrics", "cifar10", "x-test"),
    ):  # fmt: skip
        same_outcome(outcome(ours, name, *args), outcome(theirs, name, *args), (name, args))
    for key, result in theirs.all_results.items():
        mine = ours.all_results[key]
        for name, *args in (
            ("get_times",), ("get_latency",), ("get_eval_set",), ("get_total_epoch",),
            ("get_train",), ("get_train", 0), ("get_train", 1000), ("get_eval", "valid"),
            ("get_eval", "x-test", 0), ("get_eval", "ori-test", 5), ("get_eval", "none"),
            ("get_eval", None), ("get_config", None), ("get_config", str.upper),
            ("judge_valid", -1), ("get_net_param",), ("get_net_param", True), ("__repr__",),
            ("no_such_thing",),
        ):  # fmt: skip
            same_outcome(outcome(mine, name, *args), outcome(result, name, *args), (key, name))


def test_records_can_be_changed(release):
    """What `arch2infos_dict` hands out is the thing itself; what a query gives is a copy."""
    ours, theirs = opened(release, "build")
    index, hp = release.indexes[0], HPS[release.benchmark][-1]
    for api in (ours, theirs):
        record = api.arch2infos_dict[index][hp]
        record.reset_latency("cifar10", None, 0.25)
        record.reset_pseudo_train_times("cifar10", None, 2.0)
        record.reset_pseudo_eval_times("cifar10", None, "ori-test", 0.5)
        seed = record.get_dataset_seeds("cifar100")[0]
        record.query("cifar100", seed).train_losses[0] = -1.0
        record.query("cifar100", seed).flop = 1.5
        api.query_by_index(index, hp=hp).reset_latency("cifar10", None, 100.0)
        other = api.query_by_index(index, hp=hp)
        other.update("cifar10", 1, copy.deepcopy(record.query("cifar100", seed)))
        other.clear_params()
    assert ours.arch2infos_dict[index][hp].get_latency("cifar10") == 0.25
    for name, args in (
        ("get_cost_info", (index, "cifar10", hp)),
        ("get_cost_info", (index, "cifar100", hp)),
        ("get_more_info", (index, "cifar100", 0, hp, False)),
        ("get_more_info", (index, "cifar10", None, hp, False)),
        ("query_by_index", (index, None, hp)),
        ("find_best", ("cifar10", "test", None, None, hp)),
    ):
        same_outcome(outcome(ours, name, *args), outcome(theirs, name, *args), name)


def test_copies_and_pickles(plain):
    for way in ("build", "build, fast", "folder"):
        ours, theirs = opened(plain, way)
        index, hp = plain.indexes[-1], HPS[plain.benchmark][0]
        outcome(ours, "simulate_train_eval", index, "cifar100", hp=hp)
        assert ours.query_index_by_arch(index) == theirs.query_index_by_arch(index) == index
        for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
            assert twin.used_time == ours.used_time
            assert repr(twin) == repr(ours)
            same(twin.query_by_index(index, hp=hp), theirs.query_by_index(index, hp=hp))
        record = ours.query_meta_info_by_index(index, hp)
        same(pickle.loads(pickle.dumps(record)), theirs.query_meta_info_by_index(index, hp))


def test_state_dicts(plain, tmp_path):
    """Records go from either package to the other, through dictionaries and files."""
    ours, theirs = opened(plain, "build")
    index, hp = plain.indexes[0], HPS[plain.benchmark][0]
    mine, other = ours.query_by_index(index, hp=hp), theirs.query_by_index(index, hp=hp)
    same(nats_bench.ArchResults.create_from_state_dict(mine.state_dict()), other)
    same(drop_in.ArchResults.create_from_state_dict(other.state_dict()), other)
    drop_in.pickle_save(mine.state_dict(), tmp_path / "record.pickle")
    same(nats_bench.pickle_load(tmp_path / "record.pickle"), other.state_dict())
    same(drop_in.pickle_load(tmp_path / "record.pickle.pbz2"), other.state_dict())
    same(drop_in.ArchResults.create_from_state_dict(str(tmp_path / "record.pickle")), other)
    for wrong in (5, None, ["x"], {"all_results": 3}):
        same_outcome(
            outcome(drop_in.ArchResults, "create_from_state_dict", wrong),
            outcome(nats_bench.ArchResults, "create_from_state_dict", wrong),
            wrong,
        )


def test_reload(plain, tmp_path, monkeypatch):
    ours, theirs = opened(plain, "build, fast")
    index, hp = plain.indexes[0], HPS[plain.benchmark][0]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for call in (
        (str(plain.folder), index), (None, index), (None, len(ours)), (str(plain.folder), -1),
        (str(tmp_path / "nowhere"), index), (str(tmp_path), index), (str(plain.folder), "x"),
    ):  # fmt: skip
        found, expected = (outcome(api, "reload", *call) for api in (ours, theirs))
        loading = is_loading_error(expected.error)
        same_outcome(found, expected, call, text=not loading)
        same(ours.query_by_index(index, hp=hp), theirs.query_by_index(index, hp=hp))
    # The folder of the weights, where upstream looks first.
    full = tmp_path / f"{theirs._all_base_names[-1]}-full"
    full.mkdir()
    member = plain.folder / f"{index:06d}.pickle.pbz2"
    member = member if member.exists() else plain.folder / f"{index}.pickle.pbz2"
    record = pickle.loads(bz2.decompress(member.read_bytes()))
    for state in record.values():
        for result in state["all_results"].values():
            result["net_state_dict"] = OrderedDict(weight=[1.0, 2.0])
            result["params"] = np.float64(1e-3)
        state["clear_net_done"] = False
    (full / f"{index}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(record, 4)))
    for method, args in (
        ("reload", (None, index)), ("get_net_param", (index, "cifar10", None, hp)),
        ("get_cost_info", (index, "cifar10", hp)), ("query_by_index", (index, None, hp)),
        ("clear_params", (index, hp)), ("get_net_param", (index, "cifar10", None, hp)),
        ("clear_params", (index,)), ("query_by_index", (index, None, hp)),
        ("find_best", ("cifar10", "train", None, None, hp, False)),
    ):  # fmt: skip
        found, expected = (outcome(api, method, *args) for api in (ours, theirs))
        same_outcome(found, expected, method)


def test_modes_and_archives(plain):
    """`reset_fast_mode` and `reset_archive_dir` switch the loading on and off."""
    ours, theirs = opened(plain, "build, fast")
    index, hp = plain.indexes[0], HPS[plain.benchmark][0]
    question = ("get_more_info", index, "cifar10", None, hp, False)
    for fast, archive in ((False, None), (True, None), (True, str(plain.folder))):
        for api in (ours, theirs):
            api.reset_fast_mode(fast)
            api.reset_archive_dir(archive)
        assert ours.fast_mode == theirs.fast_mode
        assert ours.archive_dir == theirs.archive_dir
        same_outcome(outcome(ours, *question), outcome(theirs, *question), (fast, archive))
    for name in (
        "search_space_name", "full_train_epochs", "full_epochs_in_paper", "is_size", "is_topology",
        "archstr2index", "meta_archs",
    ):  # fmt: skip
        same(getattr(ours, name), getattr(theirs, name))


def test_show_all(release):
    """Upstream fails here, because it looks for architecture -1; every single one it can show."""
    ours, theirs = opened(release, "build")
    assert outcome(theirs, "show", -1).error == (KeyError, "-1")
    shown = [outcome(theirs, "show", index) for index in release.indexes]
    found = outcome(ours, "show", -1)
    if any(one.error for one in shown):  # some record lacks what is shown of it
        assert found.error == next(one.error for one in shown if one.error)
    else:
        assert found.error is None
        for index, one in zip(release.indexes, shown, strict=True):
            assert f"{index:06d}-th architecture!" in found.printed
            assert one.printed in found.printed


# ---------------------------------------------------------------------------------------------
# opening


def test_opening_mistakes(plain, tmp_path):
    """Modes that do not fit, paths that are not there, dictionaries with gaps."""
    folder, large, nothing = str(plain.folder), str(plain.large), str(tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.mkdir()
    content = pickle.loads(bz2.decompress(plain.large.read_bytes()))
    twice = {**content, "meta_archs": [content["meta_archs"][0]] * 2}
    for source, fast in (
        (folder, False), (large, True), (nothing, True), (nothing, False), (5, False), ({}, False),
        ({"meta_archs": []}, False), ({"meta_archs": [], "arch2infos": {}}, False), (twice, False),
    ):  # fmt: skip
        found = outcome(drop_in, "create", source, plain.space, fast, False)
        expected = outcome(nats_bench, "create", source, plain.space, fast, False)
        assert found.error == expected.error, source
        assert found.error is not None
    for api in (drop_in, nats_bench):
        with pytest.raises(FileNotFoundError):
            api.create(str(empty), plain.space, True, False)
        with pytest.raises(ValueError, match="invalid search space : nds"):
            api.create(folder, "nds", True, False)


@pytest.mark.parametrize("fast", [True, False])
def test_an_empty_path_is_no_folder(plain, fast):
    """An unset shell variable, say; it does not stand for the current folder."""
    for package in (drop_in, nats_bench):
        with pytest.raises(ValueError, match=r"^ is neither a file or a dir"):
            package.create("", plain.space, fast, False)


def test_opening_says_the_same(plain):
    for way in ("folder", "file", "dict"):
        printed = []
        for create in (drop_in, nats_bench):
            _, fast, source, _ = WAYS[way]
            given = (
                pickle.loads(bz2.decompress(plain.large.read_bytes()))
                if source == "dict"
                else str(getattr(plain, source))
            )
            printed.append(outcome(create, "create", given, plain.space, fast))
        assert printed[0].printed == printed[1].printed
        assert repr(printed[0].value) == repr(printed[1].value)
    (line, last) = outcome(drop_in, "create", str(plain.build), plain.space).printed.splitlines()
    assert f"from {plain.build} with fast_mode=False" in line
    assert f"{len(plain.indexes)}/" in last


def test_builds_say_what_they_are(plain):
    api = drop_in.create(str(plain.build), plain.space, verbose=False)
    assert "SYNTHETIC" in repr(api)
    other = "sss" if plain.space == "tss" else "tss"
    with pytest.raises(ArtifactError, match="another benchmark"):
        drop_in.create(str(plain.build), other, verbose=False)


def test_default_place(plain, tmp_path, monkeypatch):
    """The latest build first, then upstream's files in `$TORCH_HOME`."""
    torch_home = tmp_path / "torch"
    torch_home.mkdir()
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    monkeypatch.setenv("NASBASE_HOME", str(tmp_path / "nothing"))
    for fast in (True, False):
        found = outcome(drop_in, "create", None, plain.space, fast)
        expected = outcome(nats_bench, "create", None, plain.space, fast)
        assert found.error[0] is expected.error[0]
        assert found.printed == expected.printed
    base = nats_bench.create(str(plain.folder), plain.space, True, False)._all_base_names[-1]
    (torch_home / f"{base}-simple").symlink_to(plain.folder)
    (torch_home / f"{base}.pickle.pbz2").symlink_to(plain.large)
    for fast in (True, False):
        found = outcome(drop_in, "create", None, plain.space, fast)
        expected = outcome(nats_bench, "create", None, plain.space, fast)
        assert found.error is None
        assert found.printed == expected.printed
        assert repr(found.value) == repr(expected.value)
    monkeypatch.setenv("NASBASE_HOME", str(plain.build.parents[1]))
    from nasbase.store.install import write_catalog

    write_catalog(plain.build.parents[1])
    for fast in (True, False):
        api = drop_in.create(None, plain.space, fast, verbose=False)
        assert plain.benchmark in api.filename
        assert len(api.evaluated_indexes) == (0 if fast else len(plain.indexes))


def test_hostile_files(plain, tmp_path):
    """What upstream would run is refused."""
    for name in (f"{plain.indexes[0]:06d}", "meta"):
        folder = tmp_path / name
        folder.mkdir()
        for path in plain.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        for spelled in (name, str(plain.indexes[0])):
            hostile = folder / f"{spelled}.pickle.pbz2"
            if hostile.exists():
                hostile.write_bytes(bz2.compress(pickle.dumps(print, 4)))
        with pytest.raises(RawDataError, match="name that no release contains"):
            drop_in.create(str(folder), plain.space, True, False).get_cost_info(
                plain.indexes[0], "cifar10"
            )
    path = tmp_path / "hostile.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps({"meta_archs": print}, 4)))
    for load in (drop_in.pickle_load, lambda p: drop_in.create(str(p), plain.space, False)):
        with pytest.raises(RawDataError, match="name that no release contains"):
            load(path)


def test_large_files_are_streamed(plain, monkeypatch):
    """From some size on the benchmark file is kept as arrays; nobody can tell."""
    from nasbase.compat.records import files

    monkeypatch.setattr(files, "STREAMED", 0)
    ours, theirs = opened(plain, "file")
    assert isinstance(files.load_large(plain.large), files.LargeLibrary)
    asker = Asker(plain, theirs.meta_archs, 1)
    for number in range(150):
        name, args, kwargs = asker.call()
        found = outcome(ours, name, *args, seed=number, **kwargs)
        same_outcome(found, outcome(theirs, name, *args, seed=number, **kwargs), (name, args))


# ---------------------------------------------------------------------------------------------
# modules


def test_utilities(capsys):
    ours, theirs = api_utils, nats_bench.api_utils
    assert drop_in.version() == nats_bench.version() == "v1.8"
    assert TIMES.fullmatch(ours.time_string())
    for name in (
        "NATS_BENCH_API_VERSIONs", "NATS_BENCH_SSS_NAMEs", "NATS_BENCH_TSS_NAMEs",
    ):  # fmt: skip
        same(getattr(drop_in, name), getattr(nats_bench, name))
    for module, other in ((api_size, "api_size"), (api_topology, "api_topology")):
        same(module.ALL_BASE_NAMES, getattr(nats_bench, other).ALL_BASE_NAMES)
    for tags in itertools.product(
        ("nats-bench", "nas-bench-201", "x"), ("tss", "sss", "topology", "size", None, "x")
    ):
        same_outcome(
            outcome(drop_in, "search_space_info", *tags),
            outcome(nats_bench, "search_space_info", *tags),
            tags,
        )
    for asked in itertools.product((*DATASETS, "x"), (*SETS, None), (False, True)):
        same_outcome(
            outcome(ours, "remap_dataset_set_names", *asked),
            outcome(theirs, "remap_dataset_set_names", *asked),
            asked,
        )
    for name in ("google", "none", "default"):
        for module in (ours, theirs):
            module.reset_file_system(name)
        assert ours.get_file_system() == theirs.get_file_system() == name
        for call in (("nats_is_dir", "/"), ("nats_is_file", "/"), ("pickle_load", "/none"),
                     ("pickle_save", 1, "/none/x")):  # fmt: skip
            found, expected = outcome(ours, *call), outcome(theirs, *call)
            assert (found.error and found.error[0]) == (expected.error and expected.error[0]), call
            if name == "none":
                assert found.error == expected.error
    same(ours.mean([1.0, 2.5]), theirs.mean([1.0, 2.5]))
    same_outcome(outcome(ours, "mean", []), outcome(theirs, "mean", []), "mean")


def test_torch_home(monkeypatch):
    for home in ({"TORCH_HOME": "/a", "HOME": "/b"}, {"HOME": "/b"}, {}):
        for name in ("TORCH_HOME", "HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in home.items():
            monkeypatch.setenv(name, value)
        same_outcome(
            outcome(api_utils, "get_torch_home"),
            outcome(nats_bench.api_utils, "get_torch_home"),
            home,
        )


def test_cells():
    """Structures of cells: good, pruned and broken ones."""
    ours, theirs = genotype_utils, nats_bench.genotype_utils
    rng = random.Random(3)
    texts = rng.sample(releases.SPACES["nats_tss"], 150)
    texts += [text.replace("none", "zero") for text in texts[:20]]
    texts += ["|a~0|", "|a~0|+|b~0|", "|a~0|+||", "|a~1|", "a", "|a~0~1|", "|a~x|", "", "+"]
    for text in texts:
        found, expected = (outcome(m, "topology_str2structure", text) for m in (ours, theirs))
        if expected.error:
            assert found.error == expected.error
            continue
        one, two = found.value, expected.value
        for call in (
            ("tostr",), ("__repr__",), ("__len__",), ("check_valid",), ("tolist", "none"),
            ("tolist", None), ("node", 1), ("node", 0), ("node", 9), ("__getitem__", 0),
            ("to_unique_str",), ("to_unique_str", True), ("to_unique_str", None),
            ("check_valid_op", ["none"]), ("check_valid_op", releases.CELL_OPERATIONS),
        ):  # fmt: skip
            same_outcome(outcome(one, *call), outcome(two, *call), (text, call))
        same([one.node_num, one.nodes, one.node_N], [two.node_num, two.nodes, two.node_N])
        assert ours.topology_str2structure(one) is one
        for static in (("str2lists", text), ("str2matrix", text)):
            same_outcome(
                outcome(api_topology.NATStopology, *static),
                outcome(nats_bench.NATStopology, *static),
                static,
            )
    for call in (("str2fullstructure", "|a~0|+|b~1|"), ("str2fullstructure", 5)):
        found = outcome(ours.TopologyStructure, *call)
        expected = outcome(theirs.TopologyStructure, *call)
        assert found.error == expected.error
        assert repr(found.value) == repr(expected.value)
    for wrong in (5, [5], [[]], [[("a", 1)]], [["a"]], [[5]]):
        same_outcome(
            outcome(ours, "TopologyStructure", wrong),
            outcome(theirs, "TopologyStructure", wrong),
            wrong,
        )


def test_all_cells():
    """Upstream's `gen_all` calls a function that is not there."""
    operations = list(releases.CELL_OPERATIONS)
    with pytest.raises(NameError):
        nats_bench.genotype_utils.TopologyStructure.gen_all(operations, 4, False)
    cells = genotype_utils.TopologyStructure.gen_all(operations, 4, False)
    assert len({cell.tostr() for cell in cells}) == 15_625
    assert {cell.tostr() for cell in cells} == set(releases.SPACES["nats_tss"])
    assert genotype_utils.TopologyStructure.gen_all(operations, 2, True)[0] == [(("none", 0),)]
    for wrong in (("x", 3), (operations, 1)):
        with pytest.raises(AssertionError):
            genotype_utils.TopologyStructure.gen_all(*wrong, False)


def test_unique_strings(plain):
    if plain.space != "tss":
        pytest.skip("the topology space only")
    ours, theirs = opened(plain, "build")
    for arch in (0, 11, 15_624, ours[5], "no such", Cell(ours[7]), 15_625, -1):
        same_outcome(
            outcome(ours, "get_unique_str", arch), outcome(theirs, "get_unique_str", arch), arch
        )
