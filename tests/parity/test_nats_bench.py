"""nats_bench 1.8 and nasbase, asked the same thousands of random questions on the same records.

Every number of nats_bench equals ours to the last bit; where it has none (it raises, leaves a key
out or says None), we refuse to answer. The few differences are asserted as what they are:

* ``get_more_info`` fails as a whole where one of its numbers is missing; we answer the others.
* ``get_cost_info`` repeats wrong sizes that some trials recorded; ours are computed, and a note
  stands on every such trial.
* Where only some runs have a number, it averages those, or fails; we refuse a mean that leaves
  runs out.

`simulate_train_eval` is compared in ``tests/query/test_simulator.py``.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import releases
from stepwise import build

from nasbase.cli import main
from nasbase.errors import QueryError
from nasbase.query.handle import Benchmark
from nasbase.query.opening import open_folder

nats_bench = pytest.importorskip("nats_bench")

FOLDERS = {"nats_tss": "NATS-tss-v1_0-3ffb9-simple", "nats_sss": "NATS-sss-v1_0-50262-simple"}
HPS = {"nats_tss": ("12", "200"), "nats_sss": ("01", "12", "90")}
SETS = {
    "cifar10-valid": {"train": "train", "valid": "x-valid", "test": "ori-test"},
    "cifar10": {"train": "train", "test": "ori-test"},
    "cifar100": {"train": "train", "valid": "x-valid", "test": "x-test", "valtest": "ori-test"},
}
SETS["ImageNet16-120"] = SETS["cifar100"]
"""Data set -> how `get_more_info` names the sets on which it was evaluated."""

QUESTIONS = 1500
"""Random questions to `get_more_info`, per release."""

MISSING = "no number"


@dataclass
class Pair:
    """nasbase and nats_bench on one folder of members."""

    bench: Benchmark
    api: Any
    rng: random.Random

    @property
    def indexes(self) -> list[int]:
        return [one.arch_id for one in self.bench]

    def results(self, index: int, hp: str, dataset: str) -> list[Any]:
        """nats_bench's own objects of the trials, in order of the seeds."""
        self.api._prepare_info(index)
        return list(self.api.arch2infos_dict[index][hp].query(dataset).values())

    def encoded(self, index: int) -> tuple[Any, str | None]:
        """The architecture in a random encoding, and its format where it must be said."""
        form = self.rng.choice(self.bench.space.formats)
        arch = self.bench.space.decode(index, form)
        return arch, form if form in ("nats", "naslib", "one_hot") else None


def sampled(folder: Path, benchmark: str, seed: int) -> tuple[Path, str, str]:
    samples = folder / "samples"
    asked = [f"--benchmark={benchmark}", "--form=dir", "--architectures=6", f"--seed={seed}"]
    assert main(["sample", *asked, str(samples)]) == 0
    (members,) = (path for path in samples.iterdir() if path.is_dir())
    return members, "sample", "samples/sources.yaml"


def in_order(record: dict) -> dict:
    """Times by epoch: nats_bench adds them in the order of the pickle, which is theirs."""
    for state in record.values():
        for result in state["all_results"].values():
            if result["train_times"] is not None:
                ordered = sorted(result["train_times"].items())
                result["train_times"] = type(result["train_times"])(ordered)
    return record


def awkward(folder: Path, benchmark: str, seed: int) -> tuple[Path, str, str]:
    """A release with gaps of every kind, written without any code of nasbase."""
    rng = random.Random(seed)
    indexes = rng.sample(range(15_625), 7)
    records = {i: in_order(releases.record(benchmark, i, HPS[benchmark], rng)) for i in indexes}
    members = releases.nats_dir(folder, benchmark, records, rng)
    table = {benchmark: {"sample-awkward": [releases.describe(members, "dir")]}}
    releases.write_table(folder / "sources.yaml", table)
    return members, "sample-awkward", "sources.yaml"


def genuine(folder: Path, benchmark: str, realdata: Path) -> tuple[Path, str, str]:
    members = realdata / "nats" / FOLDERS[benchmark]
    file = {"name": members.name, "form": "dir", "urls": [members.as_uri()]}
    releases.write_table(folder / "sources.yaml", {benchmark: {"1.0": [file]}}, synthetic=False)
    return members, "1.0", "sources.yaml"


@pytest.fixture(
    scope="module",
    params=[
        ("nats_tss", "sample", 11),
        ("nats_tss", "sample", 12),
        ("nats_sss", "sample", 13),
        ("nats_tss", "awkward", 14),
        ("nats_tss", "awkward", 15),
        ("nats_sss", "awkward", 16),
        pytest.param(("nats_tss", "real", 17), marks=pytest.mark.realdata),
        pytest.param(("nats_sss", "real", 18), marks=pytest.mark.realdata),
    ],
    ids=lambda param: "-".join(map(str, param)),
)
def pair(request, tmp_path_factory) -> Pair:
    benchmark, kind, seed = request.param
    folder = tmp_path_factory.mktemp("pair")
    if kind == "sample":
        members, release, table = sampled(folder, benchmark, seed)
    elif kind == "awkward":
        members, release, table = awkward(folder, benchmark, seed)
    else:
        realdata = request.getfixturevalue("realdata")
        members, release, table = genuine(folder, benchmark, realdata)
    built = build(folder, benchmark, release, table, partial=True, outputs=["parquet", "sqlite"])
    bench = open_folder(built)
    api = nats_bench.create(str(members), benchmark[-3:], fast_mode=True, verbose=False)
    return Pair(bench, api, random.Random(seed))


def same(ours: object, theirs: object) -> bool:
    """Equal to the last bit; from Python 3.12 on, nats_bench's `sum` compensates its rounding."""
    if isinstance(ours, float) and isinstance(theirs, float):
        if math.isnan(ours) or math.isnan(theirs):
            return math.isnan(ours) and math.isnan(theirs)
        if sys.version_info >= (3, 12):
            return ours == pytest.approx(theirs, rel=1e-13, abs=0)
    return ours == theirs


def ours(ask: Callable[..., Any], *question: Any, **where: Any) -> Any:
    """Our answer as a plain number, or that we refuse."""
    try:
        return float(ask(*question, **where))
    except QueryError:
        return MISSING


def theirs(ask: Callable[..., Any], *question: Any, **where: Any) -> Any:
    """nats_bench's answer, or that it has none."""
    try:
        answer = ask(*question, **where)
    except Exception:  # KeyError, ValueError, TypeError, AssertionError: whatever it meets first
        return MISSING
    return MISSING if answer is None else answer


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def reference(results: list[Any], is_random: object, read: Callable[..., Any], *which: Any) -> Any:
    """The number in nats_bench's own objects: of one seed, or the mean where all have one."""
    if is_random is not False:
        results = [result for result in results if int(result.seed) == is_random]
    numbers = [theirs(read, result, *which) for result in results]
    return MISSING if not numbers or MISSING in numbers else mean(numbers)


# ---------------------------------------------------------------------------------------------
# get_more_info


def point(result: Any, which: str, kind: str, epoch: int) -> Any:
    """One number of a trial after an epoch (from 0), straight from its tables."""
    if which == "train":
        tables = {
            "accuracy": result.train_acc1es,
            "loss": result.train_losses,
            "time": result.train_times,
        }
        return tables[kind][epoch]
    tables = {
        "accuracy": result.eval_acc1es,
        "loss": result.eval_losses,
        "time": result.eval_times,
    }
    return tables[kind][f"{which}@{epoch}"]


def seconds(result: Any, which: str, until: int) -> Any:
    """Seconds of the epochs up to one (from 0)."""
    return sum(point(result, which, "time", epoch) for epoch in range(until + 1))


def our_seconds(trial: Any, which: str, until: int) -> Any:
    """The same from our curve."""
    bench, series = trial._frame.bench, f"{which.replace('-', '_')}_time_s"
    of = (trial.arch_id, trial.dataset, trial.num_epochs, trial.run)
    times = list(bench.series_values(*of, series))[: until + 1]
    return MISSING if None in times else sum(times)


def averaged(numbers: list[Any]) -> Any:
    return MISSING if not numbers or MISSING in numbers else mean(numbers)


def compare_info(pair: Pair, index: int, dataset: str, hp: str, *, iepoch: Any, seed: Any) -> int:
    """One call of `get_more_info`, key by key; how many numbers were equal."""
    bench, epochs = pair.bench, int(hp)
    info = theirs(pair.api.get_more_info, index, dataset, iepoch, hp, seed)
    info = {} if info is MISSING else info
    results = pair.results(index, hp, dataset)
    last = epochs - 1 if iepoch is None else iepoch
    arch, form = pair.encoded(index)
    arch = bench.find(arch, form) if form else arch
    where = {"dataset": dataset, "num_epochs": epochs, "seed": None if seed is False else seed}
    question = {**where, "at_epoch": None if iepoch is None else iepoch + 1}
    trials = trials_of(bench, arch, where)
    equal = 0
    for group, which in SETS[dataset].items():
        for kind, what in (("accuracy", which), ("loss", f"{which}_loss")):
            found = ours(bench.value, arch, what, **question)
            assert same(found, reference(results, seed, point, which, kind, last)), question
            if f"{group}-{kind}" in info:
                assert same(found, info[f"{group}-{kind}"]), question
                equal += 1
        found = averaged([our_seconds(trial, which, last) for trial in trials])
        assert same(found, reference(results, seed, seconds, which, last)), question
        if info.get(f"{group}-all-time") is not None:
            assert same(found, info[f"{group}-all-time"])
            assert same(found / (last + 1), info[f"{group}-per-time"])
            equal += 2
        if which == "train" and iepoch is None:
            assert same(ours(bench.value, arch, "train_time_total_s", **question), found)
    return equal


def trials_of(bench, arch, where):
    try:
        return bench.trials(arch, **where)
    except QueryError:
        return ()


def test_get_more_info(pair):
    """Any architecture in any encoding, data set, schedule, epoch, seed or mean."""
    rng, hps = pair.rng, HPS[pair.bench.name]
    seeds = (False, False, 111, 777, 888, 999)
    equal = 0
    for _ in range(QUESTIONS):
        hp = rng.choice(hps)
        iepoch = rng.choice([None, 0, int(hp) - 1, rng.randrange(int(hp))])
        dataset = rng.choice([*SETS])
        index, seed = rng.choice(pair.indexes), rng.choice(seeds)
        equal += compare_info(pair, index, dataset, hp, iepoch=iepoch, seed=seed)
    assert equal > QUESTIONS


def test_questions_without_an_answer(pair):
    """Where nats_bench raises an error of some kind, we raise one of ours."""
    bench, api = pair.bench, pair.api
    index, hp = pair.indexes[-1], HPS[bench.name][-1]
    absent = next(i for i in range(len(api)) if i not in pair.indexes)
    for arch, dataset, schedule, iepoch, seed in (
        (absent, "cifar10", hp, None, False),
        (len(api), "cifar10", hp, None, False),
        (-1, "cifar10", hp, None, False),
        (index, "cifar-11", hp, None, False),
        (index, "imagenet", hp, None, False),
        (index, "cifar10", "13", None, False),
        (index, "cifar10", hp, int(hp), False),
        (index, "cifar10", hp, -1, False),
        (index, "cifar10", hp, None, 112),
        (index, "cifar10", hp, 0, 112),
    ):
        assert theirs(api.get_more_info, arch, dataset, iepoch, schedule, seed) is MISSING
        at_epoch = None if iepoch is None else iepoch + 1
        chosen = None if seed is False else seed
        with pytest.raises(QueryError):
            bench.value(
                arch, "ori-test", dataset=dataset, hp=schedule, at_epoch=at_epoch, seed=chosen
            )


# ---------------------------------------------------------------------------------------------
# costs


def recorded_size(numbers: list[float], seeds: list[int]) -> Any:
    """nats_bench's cure of wrong sizes: where runs disagree, that of seed 888."""
    if len({f"{number:.5f}" for number in numbers}) > 1:
        return numbers[seeds.index(888)]
    return mean(numbers)


def test_get_cost_info_and_get_latency(pair):
    bench, api = pair.bench, pair.api
    compared = 0
    for index, dataset, hp in product(pair.indexes, SETS, HPS[bench.name]):
        question = {"dataset": dataset, "num_epochs": int(hp)}
        costs = theirs(api.get_cost_info, index, dataset, hp)
        trials = bench.trials(index, **question)
        computed = bench.complexity(index, dataset)
        for name, column, size in (
            ("params", "params_m", computed.params),
            ("flops", "flops_m", computed.macs),
        ):
            sizes = theirs(recorded_size, trials[column], trials.seed)
            if costs is MISSING:
                continue
            assert same(sizes, float(costs[name]))
            wrong = [t for t in trials if abs(t[column] * 1e6 - size) > 0.5]
            noted = {note.key for note in trials.notes if note.column == column}
            assert noted == {t.key for t in wrong}
            assert wrong or same(sizes, mean([size / 1e6] * len(trials)))
            compared += 1
        latency = ours(bench.value, index, "latency_s", **question)
        lists = [result.latency for result in pair.results(index, hp, dataset)]
        if all(one is not None and len(one) == 1 for one in lists):
            assert same(latency, float(mean([one[0] for one in lists])))
            if costs is not MISSING:
                assert same(latency, float(costs["latency"]))
                assert same(latency, float(api.get_latency(index, dataset, hp)))
        else:  # some run has none, or several of which upstream takes the mean
            assert latency is MISSING
        compared += compare_times(trials, dataset, costs)
    assert compared


def compare_times(trials: Any, dataset: str, costs: Any) -> int:
    """Seconds per epoch and in total of every set; how many were equal."""
    epochs, compared = trials[0].num_epochs, 0
    for which in dict.fromkeys(SETS[dataset].values()):
        times = [our_seconds(trial, which, epochs - 1) for trial in trials]
        if MISSING in times or costs is MISSING:
            continue
        assert same(mean(times), costs[f"T-{which}@total"])
        assert same(mean([time / epochs for time in times]), costs[f"T-{which}@epoch"])
        compared += 2
    return compared


# ---------------------------------------------------------------------------------------------
# find_best


def load_all(pair: Pair) -> None:
    for index in pair.indexes:
        pair.api._prepare_info(index)


def test_find_best(pair):
    """The same architecture and the same number: by role and by set, with and without a limit."""
    bench, api = pair.bench, pair.api
    load_all(pair)
    answered = 0
    sets = ("valid", "test", "train", "x-valid", "x-test", "ori-test")
    for dataset, which, hp in product(SETS, sets, HPS[bench.name]):
        role = {"select": f"{which}_acc", "report": None, "dataset": dataset, "num_epochs": int(hp)}
        for limit in (None, *pair.rng.choices(range(10_000, 1_300_000), k=2)):
            options = {"param_max": limit and limit / 1e6, "hp": hp, "enforce_all": False}
            found = theirs(api.find_best, dataset, which, **options)
            try:
                (best,) = bench.best(max_params=limit, **role)
            except QueryError:
                answer = (-1, None)
            else:
                answer = (best.arch_id, float(best.selected))
            if found is MISSING or wrong_sizes(pair, dataset, which, hp):
                found = best_of_numbers(pair, dataset, which, hp, limit=limit)
            else:
                answered += 1
            assert answer == found, (role, limit)
    assert answered or pair.bench.release == "sample-awkward"


def read_from(pair: Pair, dataset: str, which: str) -> str:
    """The data set on which `find_best` looks."""
    return "cifar10-valid" if (dataset, which) == ("cifar10", "valid") else dataset


def wrong_sizes(pair: Pair, dataset: str, which: str, hp: str) -> bool:
    """Whether some recorded size is not that of the architecture: then limits cut differently."""
    where = read_from(pair, dataset, which)
    return any(
        abs(size * 1e6 - pair.bench.complexity(i, where).params) > 0.5
        for i in pair.indexes
        for size in pair.bench.trials(i, dataset=where, num_epochs=int(hp)).params_m
        if size is not None
    )


def best_of_numbers(pair: Pair, dataset: str, which: str, hp: str, *, limit: int | None) -> Any:
    """The best by nats_bench's numbers of single architectures, those without one left out."""
    where = read_from(pair, dataset, which)
    role = {"valid": "x-valid", "test": "x-test" if where in TESTED_ON_HALF else "ori-test"}
    numbers = {}
    for index in pair.indexes:
        results = pair.results(index, hp, where)
        known = reference(results, False, point, role.get(which, which), "accuracy", int(hp) - 1)
        small = limit is None or pair.bench.complexity(index, where).params <= limit
        if known is not MISSING and small:
            numbers[index] = known
    if not numbers:
        return -1, None
    return max(numbers.items(), key=lambda item: (item[1], -item[0]))


TESTED_ON_HALF = ("cifar100", "ImageNet16-120")
"""Data sets whose published test accuracy is that of x-test."""


def test_values_are_those_of_every_architecture(pair):
    """`values` against `get_metrics` of every architecture, where all have one."""
    bench = pair.bench
    load_all(pair)
    for dataset, hp in product(SETS, HPS[bench.name]):
        for which in dict.fromkeys(SETS[dataset].values()):
            found = bench.values(which, dataset=dataset, num_epochs=int(hp), missing="nan")
            for index, number in zip(found.ids.tolist(), found.tolist(), strict=True):
                archive = pair.api.arch2infos_dict[index][hp]
                metrics = theirs(archive.get_metrics, dataset, which)
                results = pair.results(index, hp, dataset)
                known = reference(results, False, point, which, "accuracy", int(hp) - 1)
                assert same(number, math.nan if known is MISSING else known)
                if metrics is not MISSING:
                    assert same(number, metrics["accuracy"])


# ---------------------------------------------------------------------------------------------
# what an architecture is


def test_architectures(pair):
    """Indexes, strings, matrices, isomorphic cells, numbers of trials."""
    bench, api, rng = pair.bench, pair.api, pair.rng
    load_all(pair)
    assert len(api) == bench.space.size
    for index in rng.sample(range(len(api)), 300):
        text = api.arch(index)
        assert bench.space.decode(index, "str") == text
        assert api.query_index_by_arch(text) == bench.space.decode(text, "index") == index
    for one in bench:
        assert one.arch_str == api[one.arch_id]
        for dataset in SETS:
            config = api.get_net_config(one.arch_id, dataset)
            if bench.name == "nats_tss":
                assert config["arch_str"] == one.text
                matrix = api.str2matrix(one.text)
                assert matrix.tolist() == bench.space.decode(one.text, "matrix")
            else:
                assert config["channels"] == ":".join(str(one[f"c{i}"]) for i in range(5))
    if bench.name == "nats_tss":
        strings = {one.arch_id: api.get_unique_str(one.arch_id) for one in bench}
        for one in bench:
            lowest = one.isomorphism_class
            assert api.get_unique_str(lowest) == strings[one.arch_id]
            assert lowest <= one.arch_id
    for dataset, hp in product(SETS, HPS[bench.name]):
        counts: dict[int, int] = {}
        for index in pair.indexes:
            n = bench.mean(index, dataset=dataset, num_epochs=int(hp)).n
            counts[n] = counts.get(n, 0) + 1
        assert counts == api.statistics(dataset, hp)


@pytest.mark.realdata
def test_golden_best(realdata, tmp_path):
    """What nats_bench 1.8 finds among the two real members of the topology space."""
    _, release, table = genuine(tmp_path, "nats_tss", realdata)
    outputs = ["parquet", "sqlite"]
    bench = open_folder(build(tmp_path, "nats_tss", release, table, partial=True, outputs=outputs))
    assert not bench.synthetic
    (best,) = bench.best(dataset="cifar10", num_epochs=200)
    assert (best.arch_id, float(best.selected)) == (11, 87.9399999983724)
    assert (best.selected.dataset, best.selected.split) == ("cifar10-valid", "x_valid")
    assert (best.reported.dataset, best.reported.split) == ("cifar10", "ori_test")
