"""How people use nats_bench, with only the import changed: its front page, its own tests, whole
spaces, memory.
"""

from __future__ import annotations

import io
import itertools
import random
import subprocess
import sys
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from calls import outcome, same, same_outcome
from stepwise import build
from test_compat_nats_bench import FOLDERS, genuine

from nasbase.cli import main
from nasbase.compat.nats_bench.api_size import ALL_BASE_NAMES as SSS_NAMES
from nasbase.compat.nats_bench.api_size import NATSsize
from nasbase.compat.nats_bench.api_topology import ALL_BASE_NAMES as TSS_NAMES
from nasbase.compat.nats_bench.api_topology import NATStopology
from nasbase.compat.nats_bench.genotype_utils import topology_str2structure
from nasbase.compat.records.stored import BuildLibrary
from nasbase.store.install import write_catalog

nats_bench = pytest.importorskip("nats_bench")

FRONT_PAGE = """
from nasbase.compat.nats_bench import create
# Create the API instance for the size search space in NATS
api = create(None, 'sss', fast_mode=True, verbose=True)

# Create the API instance for the topology search space in NATS
api = create(None, 'tss', fast_mode=True, verbose=True)

# Query the loss / accuracy / time for 1234-th candidate architecture on CIFAR-10
# info is a dict, where you can easily figure out the meaning by key
info = api.get_more_info(1234, 'cifar10')

# Query the flops, params, latency. info is a dict.
info = api.get_cost_info(12, 'cifar10')

# Simulate the training of the 1224-th candidate:
validation_accuracy, latency, time_cost, current_total_time_cost = api.simulate_train_eval(1224, dataset='cifar10', hp='12')

# Clear the parameters of the 12-th candidate.
api.clear_params(12)

# Reload all information of the 12-th candidate.
api.reload(index=12)

# Create the instance of th 12-th candidate for CIFAR-10.
config = api.get_net_config(12, 'cifar10')

# Load the pre-trained weights: params is a dict, where the key is the seed and value is the weights.
params = api.get_net_param(12, 'cifar10', None)
"""  # noqa: E501 - verbatim
"""Upstream's README, the import changed, without the three lines that need its networks."""

ARCHITECTURES = 66
"""More than the number from which on whole spaces are looked at together."""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Samples of both spaces as directories, and their builds."""
    folder = tmp_path_factory.mktemp("usage")
    for benchmark, count in (("nats_tss", ARCHITECTURES), ("nats_sss", 8)):
        place = folder / benchmark
        asked = [f"--benchmark={benchmark}", "--form=dir", f"--architectures={count}", "--seed=3"]
        assert main(["sample", *asked, str(place / "samples")]) == 0
        built = build(place, benchmark, "sample", "samples/sources.yaml", partial=True,
                      outputs=["parquet", "sqlite"])  # fmt: skip
        (folder / "results" / benchmark).mkdir(parents=True)
        built.rename(folder / "results" / benchmark / "sample")
    write_catalog(folder / "results")
    return folder


def members(home: Path, benchmark: str) -> Path:
    return home / benchmark / "samples" / f"NATS-{benchmark[-3:]}-sample-simple"


def test_front_page(home, monkeypatch, tmp_path):
    monkeypatch.setenv("NASBASE_HOME", str(home / "results"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    names: dict = {}
    random.seed(5)
    with pytest.warns(UserWarning, match="archive_root"), redirect_stdout(io.StringIO()):
        exec(FRONT_PAGE, names)
    theirs = nats_bench.create(str(members(home, "nats_tss")), "tss", True, False)
    random.seed(5)
    theirs.get_more_info(1234, "cifar10")
    answer = theirs.simulate_train_eval(1224, dataset="cifar10", hp="12")
    asked = ("validation_accuracy", "latency", "time_cost", "current_total_time_cost")
    same(tuple(names[name] for name in asked), answer)
    same(names["info"], theirs.get_cost_info(12, "cifar10"))
    same(names["config"], theirs.get_net_config(12, "cifar10"))
    same(names["params"], theirs.get_net_param(12, "cifar10", None))
    assert names["params"] == {111: None}


# ---------------------------------------------------------------------------------------------
# what upstream's own tests ask, in our words: on its folders, and on builds of them


@pytest.fixture(params=["folder", "build"])
def way(request) -> str:
    return request.param


@pytest.fixture(params=["sample", pytest.param("real", marks=pytest.mark.realdata)])
def apis(request, way, home, tmp_path):
    """Both spaces in fast mode, and indexes to ask about."""
    places = {}
    for benchmark in ("nats_tss", "nats_sss"):
        if request.param == "sample":
            built = home / "results" / benchmark / "sample"
            places[benchmark] = built if way == "build" else members(home, benchmark)
            continue
        place = tmp_path / benchmark
        place.mkdir()
        path, release, table = genuine(place, benchmark, request.getfixturevalue("realdata"))
        if way == "build":
            path = build(place, benchmark, release, table, partial=True,
                         outputs=["parquet", "sqlite"])  # fmt: skip
        places[benchmark] = path
    tss, sss = str(places["nats_tss"]), str(places["nats_sss"])
    return NATStopology(tss, True, False), NATSsize(sss, True, False), [0, 11]


def test_their_round(apis, capsys):
    """For every data set: results, costs, a simulated training, a configuration; then a text."""
    tss, sss, indexes = apis
    assert [TSS_NAMES[-1], SSS_NAMES[-1]] == [FOLDERS[n][:-7] for n in ("nats_tss", "nats_sss")]
    for (api, hp), index in itertools.product(((tss, "12"), (tss, "200"), (sss, "12")), indexes):
        for key in ("cifar10", "cifar100", "ImageNet16-120"):
            assert "train-loss" in api.get_more_info(index, key)
            assert "T-train@total" in api.get_cost_info(index, key)
            accuracy, latency, cost, spent = api.simulate_train_eval(index, dataset=key, hp=hp)
            assert 0 <= accuracy <= 100
            assert 0 < latency < cost <= spent
            assert api.get_net_config(index, key)["num_classes"] >= 10
        api.show(index)
        assert api[index] in capsys.readouterr().out
        with pytest.raises(ValueError, match="Invalid architecture index"):
            api.get_more_info(100_000, "cifar10")


def test_their_issues(apis):
    tss, sss, indexes = apis
    info = tss.get_more_info(0, "cifar10", hp=12)  # issue 1
    assert info["comment"].startswith("In this dict, train-loss/accuracy/time is the metric on")
    assert info["test-per-time"] * 12 == pytest.approx(info["test-all-time"])
    costs = tss.get_cost_info(0, "cifar10")
    assert costs["T-train@epoch"] * 12 == pytest.approx(costs["T-train@total"])
    data = tss.query_by_index(11, dataname="cifar10", hp=200)  # issue 2
    assert data[777].get_train()["accuracy"] == data[777].train_acc1es[199]
    assert tss.get_more_info(11, "cifar10", hp=200)["train-accuracy"] > 0
    for api in (tss, sss):  # issues 7 and 36
        for index in indexes:
            for dataset in ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"):
                short = api.get_cost_info(index, dataset, hp="12")
                long = api.get_cost_info(index, dataset, hp=api.full_epochs_in_paper)
                assert short["flops"] == pytest.approx(long["flops"], rel=1e-4)
                assert short["params"] == pytest.approx(long["params"], rel=1e-4)
        best, accuracy = api.find_best("ImageNet16-120", "valid", hp="12", enforce_all=False)
        assert best in indexes
        assert 0 <= accuracy <= 100
    texts = (topology_str2structure(tss[i]) for i in range(len(tss)))  # issue 12
    assert len({cell.to_unique_str(consider_zero=True) for cell in texts}) == 6466


# ---------------------------------------------------------------------------------------------
# many architectures


@pytest.mark.parametrize("fast", [True, False])
def test_best_of_many(home, fast):
    """From some number on the best is found in one query; with limits and after changes, too."""
    ours = nats_drop_in(home, fast=fast)
    theirs = nats_bench.create(str(members(home, "nats_tss")), "tss", True, False)
    indexes = sorted(int(path.name[:6]) for path in members(home, "nats_tss").glob("0*.pbz2"))
    assert len(indexes) == ARCHITECTURES
    for index in indexes:
        theirs._prepare_info(index)
        ours._prepare_info(index)
    datasets = ("cifar10", "cifar100", "none")
    sets = ("valid", "ori-test")
    for changed in (False, True):
        if changed:
            best, _ = theirs.find_best("cifar100", "test", hp="200", enforce_all=False)
            for api in (ours, theirs):
                for run in api.arch2infos_dict[best]["200"].query("cifar100").values():
                    run.eval_acc1es["x-test@199"] = 1.0
        for dataset, which, hp in itertools.product(datasets, sets, ("12", "200")):
            for limits in ({}, {"flop_max": 60.0}, {"param_max": 0.4, "flop_max": 100.0}):
                asked = (dataset, which)
                how = {**limits, "hp": hp, "enforce_all": False}
                same_outcome(
                    outcome(ours, "find_best", *asked, **how),
                    outcome(theirs, "find_best", *asked, **how),
                    (asked, how),
                )


def nats_drop_in(home: Path, *, fast: bool = False) -> NATStopology:
    return NATStopology(str(home / "results" / "nats_tss" / "sample"), fast, False)


def test_what_is_remembered_is_not_shared(home):
    """Answers come back as new dictionaries, and the types of a question count."""
    api = nats_drop_in(home)
    first = api.get_more_info(11, "cifar10", hp="200", is_random=False)
    first["train-loss"] = None
    again = api.get_more_info(11, "cifar10", hp="200", is_random=False)
    assert again["train-loss"] is not None
    with pytest.raises(ValueError, match="can not find random seed"):
        api.get_more_info(11, "cifar10", hp="200", is_random=0)
    api.get_more_info(11, "cifar10", 1, hp="200", is_random=777)
    with pytest.raises(TypeError):
        api.get_more_info(11, "cifar10", 1.0, hp="200", is_random=777)
    times = api.query_by_index(11, "cifar10", "200")[777].get_times()
    times.clear()
    assert api.query_by_index(11, "cifar10", "200")[777].get_times()


def test_threads_ask_side_by_side(home, monkeypatch):
    """What one thread drops from memory is what another is about to look at."""
    monkeypatch.setattr(BuildLibrary, "KEPT", 2)
    api = nats_drop_in(home)
    indexes = sorted(api.evaluated_indexes)[:3]
    errors: list[Exception] = []

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(2000):
                api.get_latency(rng.choice(indexes), "cifar10", "12")
        except Exception as error:  # a thread's own would be lost
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []


MEMORY = """
import random, sys
from nasbase.compat import nats_bench
api = nats_bench.create(sys.argv[1], "tss", fast_mode=True, verbose=False)
rng = random.Random(2)
indexes = api.arch2infos_dict.main.indexes()
for number in range(4000):
    index, hp = rng.choice(indexes), rng.choice(("12", "200"))
    dataset = rng.choice(("cifar10", "cifar100", "ImageNet16-120"))
    api.get_more_info(index, dataset, rng.randrange(int(hp)), hp)
    api.get_cost_info(index, dataset, hp)
    api.simulate_train_eval(index, dataset, hp=hp)
    api.query_by_index(index, dataset, hp)
    api.clear_params(index)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory(home):
    """20,000 questions; upstream keeps 1.7 MB per architecture."""
    build_folder = str(home / "results" / "nats_tss" / "sample")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, build_folder], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 150e6


def test_import_is_light():
    code = (
        "import sys; from nasbase.compat import nats_bench, nas_201_api; "
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'h5py', 'peewee') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
