"""nas_201_api 2.1 and its drop-in: the same calls, the same outcomes.

The original needs torch only to read files, and its package is nothing but Python; so it is taken
from the folder `$NASBASE_NAS_201_API` (default: the cache folder), with two lines in torch's place.
Tests that compare with it skip where it is not there:

    pip download nas-bench-201==2.1 --no-deps && unzip nas_bench_201-2.1*.whl -d <folder>
"""

from __future__ import annotations

import importlib
import itertools
import os
import pickle
import random
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import releases
from calls import outcome, same, same_outcome
from stepwise import build
from test_compat_nats_bench import Asker, as_built

from nasbase.compat import nas_201_api as drop_in
from nasbase.compat.nas_201_api import api_201
from nasbase.errors import RawDataError, SourceError

CALLS = 250
DEFAULT = Path.home() / ".cache" / "nasbase" / "nas-201-2.1"


@pytest.fixture(scope="module")
def original():
    """The package itself; `torch.load` reads a legacy file without tensors."""
    folder = Path(os.environ.get("NASBASE_NAS_201_API", DEFAULT))
    if not (folder / "nas_201_api" / "api_201.py").is_file():
        pytest.skip(f"no nas_201_api in {folder} (set NASBASE_NAS_201_API)")

    def load(path: Any, map_location: str | None = None) -> Any:
        with Path(path).open("rb") as file:
            return [pickle.load(file) for _ in range(4)][3]

    stub = types.ModuleType("torch")
    stub.load = load
    patch = pytest.MonkeyPatch()
    if importlib.util.find_spec("torch") is None:
        patch.setitem(sys.modules, "torch", stub)
    patch.syspath_prepend(str(folder))
    yield importlib.import_module("nas_201_api")
    patch.undo()


class Files:
    """One release as a file in either container, as members, as a dictionary and as a build."""

    benchmark = "nb201"

    def __init__(self, folder: Path, seed: int, *, whole: bool) -> None:
        rng = random.Random(seed)
        self.whole, self.indexes = whole, sorted(rng.sample(range(15_625), 5))
        records = {
            i: as_built(releases.record("nb201", i, ("full", "less"), rng)) for i in self.indexes
        }
        if whole:
            records = {i: without_gaps(record, rng) for i, record in records.items()}
        self.records = records
        self.content = {
            "meta_archs": releases.topologies(),
            "total_archs": 15_625,
            "arch2infos": records,
            "evaluated_indexes": sorted(records),
        }
        self.paths = {
            container: releases.nb201(folder, records, container, rng, pickle.dumps)
            for container in ("legacy", "zip")
        }
        table = {"nb201": {"sample-x": [releases.describe(self.paths["legacy"])]}}
        releases.write_table(folder / "sources.yaml", table)
        self.build = build(folder, "nb201", "sample-x", partial=True,
                           outputs=["parquet", "sqlite"])  # fmt: skip


def without_gaps(record: dict, rng: random.Random) -> dict:
    """Every number of every epoch, one latency, a size: as upstream's second release has them."""
    for result in (r for state in record.values() for r in state["all_results"].values()):
        epochs = range(result["epochs"])
        for name, high in (("train_acc1es", 100.0), ("train_losses", 3.0), ("train_times", 9.0)):
            table = {e: rng.uniform(0.1, high) for e in epochs}
            result[name] = OrderedDict(table) if name == "train_times" else table
        result["latency"], result["params"] = [np.float64(rng.random())], np.float64(rng.random())
        sets = list(releases.IMAGES[result["name"]])[1:]
        keys = [f"{name}@{e}" for name in sets for e in epochs]
        for name in ("eval_acc1es", "eval_losses", "eval_times"):
            result[name] = {key: rng.uniform(0.1, 9) for key in keys}
        result["eval_names"] = sets
    return record


@pytest.fixture(scope="module", params=["whole", "awkward"])
def files(request, tmp_path_factory) -> Files:
    whole = request.param == "whole"
    return Files(tmp_path_factory.mktemp("nb201"), 31 if whole else 32, whole=whole)


def opened(files: Files, way: str) -> Any:
    source = {"build": files.build, "dict": files.content}.get(way) or files.paths[way]
    return drop_in.NASBench201API(source, verbose=False)


class Calls(Asker):
    """Calls with this package's signatures."""

    def call(self) -> tuple[str, tuple, dict]:
        name, args, kwargs = super().call()
        if name == "simulate_train_eval":
            args = (args[0], args[1], args[3])
        if name == "find_best":
            kwargs.pop("enforce_all")
            names = {"flop_max": "FLOP_max", "param_max": "Param_max"}
            kwargs = {names.get(key, key): value for key, value in kwargs.items()}
        return name, args, kwargs


NAME_ERRORS = {
    # Where upstream's own error names something that does not exist, ours says what is wrong.
    "query_info_str_by_arch": "only has hyper-parameters",
    "query_by_arch": "only has hyper-parameters",
    "get_net_config": "is not in arch2infos_dict",
}


@pytest.mark.parametrize("way", ["build", "dict", "legacy", "zip"])
def test_calls(files, original, way):
    """Results, exceptions, printed text, draws."""
    ours = opened(files, way)
    theirs = original.NASBench201API(files.content, verbose=False)
    asker = Calls(files, theirs.meta_archs, 7)
    failed = 0
    for number in range(CALLS):
        ours.verbose = theirs.verbose = number % 3 == 0
        name, args, kwargs = asker.call()
        about = (way, number, name, args, kwargs)
        found = outcome(ours, name, *args, seed=number, **kwargs)
        expected = outcome(theirs, name, *args, seed=number, **kwargs)
        if expected.error is not None and expected.error[0] in (NameError, UnboundLocalError):
            assert found.error[0] is ValueError, about
            assert NAME_ERRORS[name] in found.error[1], about
            continue
        same_outcome(found, expected, about)
        failed += expected.error is not None
        assert ours.used_time == theirs.used_time, about
    assert 0.05 * CALLS < failed < 0.9 * CALLS
    same(ours.evaluated_indexes, theirs.evaluated_indexes)
    assert sorted(ours.avaliable_hps) == sorted(theirs.avaliable_hps)
    assert len(ours.arch2infos_dict) == len(theirs.arch2infos_dict)


def test_records(files, original):
    ours = opened(files, "build")
    theirs = original.NASBench201API(files.content, verbose=False)
    for index, hp in itertools.product(files.indexes, ("12", "200")):
        mine, other = (api.query_by_index(index, hp=hp) for api in (ours, theirs))
        for key, twin in other.all_results.items():
            for call in (
                ("get_times",), ("get_train", 3), ("get_train", 999), ("get_latency",),
                ("get_eval", "valid"), ("get_eval", "none"), ("get_eval", "x-test", 3),
            ):  # fmt: skip
                same_outcome(outcome(mine.query(*key), *call), outcome(twin, *call), call)
        for call in (
            ("get_metrics", "cifar10-valid", "train"), ("get_compute_costs", "cifar100"),
            ("get_metrics", "cifar10-valid", "x-valid", 5, 777), ("query", "cifar10", 1),
            ("update", "cifar10-valid", mine.get_dataset_seeds("cifar10-valid")[0], None),
        ):  # fmt: skip
            same_outcome(outcome(mine, *call), outcome(other, *call), call)
        # Upstream's method calls a function of another module.
        assert outcome(other, "show").error[0] is NameError
        if files.whole:
            shown = api_201.print_information(other, None)
            assert outcome(mine, "show", True).printed == "\n".join(shown) + "\n"
            assert mine.show() == original.api_201.print_information(other)
        same(mine.state_dict(), other.state_dict())
        made = original.ArchResults.create_from_state_dict(mine.state_dict())
        same(made.state_dict(), other.state_dict())


def test_reload(files, original, tmp_path, monkeypatch):
    """Members of one architecture replace what there is."""
    ours = opened(files, "build")
    theirs = original.NASBench201API(files.content, verbose=False)
    index = files.indexes[0]
    record = without_gaps(releases.record("nb201", index, ("full", "less"), random.Random(5)),
                          random.Random(6))  # fmt: skip
    parts = [releases.TORCH_MAGIC, 1001, releases.TORCH_SYSTEM, record, []]
    (tmp_path / f"{index:06d}-FULL.pth").write_bytes(
        b"".join(pickle.dumps(part, 2) for part in parts)
    )
    for call in ((str(tmp_path), index), (str(tmp_path), index + 1), (str(tmp_path), -1),
                 (str(tmp_path / "none"), index)):  # fmt: skip
        same_outcome(outcome(ours, "reload", *call), outcome(theirs, "reload", *call), call)
        for hp in ("12", "200"):
            same(ours.query_by_index(index, hp=hp), theirs.query_by_index(index, hp=hp))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    for api in (ours, theirs):
        with pytest.raises(KeyError, match="TORCH_HOME"):
            api.reload(index=index)


def test_opening(files, original, tmp_path, monkeypatch):
    for source in (str(tmp_path / "nothing"), 5, {}, {"meta_archs": []}):
        found = outcome(drop_in, "NASBench201API", source)
        expected = outcome(original, "NASBench201API", source)
        assert found.error == expected.error
        assert found.printed == expected.printed
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("NASBASE_HOME", str(tmp_path / "nothing"))
    found, expected = (outcome(module, "NASBench201API") for module in (drop_in, original))
    assert (found.error, found.printed) == (expected.error, expected.printed)


def test_without_the_original(files, tmp_path, monkeypatch):
    """Means are numpy's, computed here from the released dictionaries themselves."""
    for way in ("build", "legacy", "zip", "dict"):
        api = opened(files, way)
        assert repr(api).startswith("NASBench201API(5/15625 architectures, file=")
        assert ("SYNTHETIC" in repr(api)) == (way == "build")
        for index, dataset in itertools.product(files.indexes, releases.IMAGES):
            state = files.records[index]["full"]
            runs = [state["all_results"][dataset, seed] for seed in state["dataset_seed"][dataset]]
            if not files.whole:  # the original, too, has no costs of many of these
                break
            costs = api.get_cost_info(index, dataset, "200")
            same(costs["params"], np.mean([run["params"] for run in runs]))
            times = [run["train_times"] for run in runs]
            if None not in times:
                totals = [np.sum(list(one.values())) for one in times]
                same(costs["T-train@total"], np.mean(totals))
        with pytest.raises(AssertionError, match="invalid index"):
            api.arch(15_625)
        with pytest.raises(KeyError):  # a part of the space
            api.statistics("cifar10", "200")
    monkeypatch.setattr("nasbase.compat.records.files.TORCH_LIMIT", 1000)
    with pytest.raises(SourceError, match="too large"):
        opened(files, "zip")


def test_hostile_files(tmp_path):
    for payload in (print, {"meta_archs": print}):
        parts = [releases.TORCH_MAGIC, 1001, releases.TORCH_SYSTEM, payload, []]
        path = tmp_path / "hostile.pth"
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
        with pytest.raises(RawDataError, match="name that no release contains"):
            drop_in.NASBench201API(str(path), verbose=False)
        with pytest.raises(RawDataError, match="name that no release contains"):
            drop_in.ArchResults.create_from_state_dict(str(path))


def test_default_build(files, monkeypatch, capsys):
    from nasbase.store.install import write_catalog

    write_catalog(files.build.parents[1])
    monkeypatch.setenv("NASBASE_HOME", str(files.build.parents[1]))
    api = drop_in.NASBench201API(verbose=False)
    assert "nb201" in api.filename
    assert str(files.build) in capsys.readouterr().out
    assert api.evaluated_indexes == files.indexes
