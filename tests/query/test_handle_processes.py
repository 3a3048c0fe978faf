"""Threads, processes, pickles, read-only folders, and what a question imports."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import nasbase
from nasbase.benchmarks import NAMES
from nasbase.errors import ArtifactError

QUESTION = {"dataset": "cifar10", "num_epochs": 200}


def answers(handle):
    return [float(handle.value(one, "test_acc", **QUESTION)) for one in handle]


def test_threads_share_a_handle(bench):
    handle = bench("nats_tss")
    expected = answers(handle)
    start = threading.Barrier(8)

    def ask(_):
        start.wait()
        return answers(handle)

    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(ask, range(8)))


def _in_child(handle, pipe):
    pipe.send(answers(handle))
    pipe.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_handle(bench, method):
    handle = bench("nats_tss")
    expected = answers(handle)
    context = multiprocessing.get_context(method)
    pairs = []
    for _ in range(3):
        receive, send = context.Pipe(duplex=False)
        child = context.Process(target=_in_child, args=(handle, send))
        child.start()
        pairs.append((child, receive))
    assert answers(handle) == expected  # while the children ask
    for child, receive in pairs:
        assert receive.recv() == expected
        child.join(30)
        assert child.exitcode == 0
    assert answers(handle) == expected


def test_a_fork_uses_no_connection_of_its_parent(bench):
    handle = bench("nats_tss")
    parent = handle.database.connection()
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        other = handle.database.connection() is not parent
        gc.collect()
        os.write(send, b"1" if other and answers(handle) else b"0")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(receive, 1) == b"1"
    assert handle.database.connection() is parent


def test_pickles_open_their_folder_again(bench):
    handle = bench("nats_tss")
    again = pickle.loads(pickle.dumps(handle))
    assert again == handle
    assert hash(again) == hash(handle)
    assert again is not handle
    assert answers(again) == answers(handle)
    for answer in (
        handle[0],
        handle.trials(0),
        handle.trials(0)[0],
        handle.mean(0, **QUESTION),
        handle.value(0, "valid_acc", **QUESTION),
        handle.curve(0, series="test_acc", run=0, **QUESTION),
        handle.complexity(0, "cifar10"),
        handle.best(k=3, **QUESTION),
        handle.ecdf("test_acc", **QUESTION),
        handle.rank_correlation("params", **QUESTION),
        handle.pareto(maximize="test_acc", minimize="params", **QUESTION),
        handle.columns,
        handle.table("means"),
    ):
        copy = pickle.loads(pickle.dumps(answer))
        assert repr(copy) == repr(answer)


def test_a_replaced_build_is_noticed(home, tmp_path):
    shutil.copytree(home / "nb101", tmp_path / "nb101")
    shutil.copy(home / "catalog.json", tmp_path)
    handle = nasbase.open("nb101", home=tmp_path)
    before = handle.trials(0)
    packed = pickle.dumps(handle)
    new = tmp_path / "new"
    shutil.copytree(home / "nb201" / "sample", new)
    (tmp_path / "nb101" / "sample").rename(tmp_path / "old")
    (new / "nb201.sqlite").rename(new / "nb101.sqlite")
    new.rename(tmp_path / "nb101" / "sample")
    shutil.rmtree(tmp_path / "old")
    assert handle.trials(0) == before  # what is open stays open
    with ThreadPoolExecutor(1) as pool, pytest.raises(ArtifactError, match="open the benchmark"):
        pool.submit(handle.trials, 0).result()
    with pytest.raises(ArtifactError, match="taken the place"):
        pickle.loads(packed)


def test_several_handles_and_closing(bench):
    handles = [bench(name) for name in NAMES] + [bench("nb101")]
    rows = [len(handle.trials(next(iter(handle)))) for handle in handles]
    for handle in handles:
        handle.close()
        handle.close()
    assert [len(handle.trials(next(iter(handle)))) for handle in handles] == rows


def test_a_read_only_folder_stays_as_it_was(home, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(home, folder)
    paths = [folder, *folder.rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for name in NAMES:
            handle = nasbase.open(name, home=folder)
            dataset = handle.datasets[0]
            question = {"dataset": dataset, "num_epochs": handle.trainings[dataset][-1]}
            handle.best(select="test_acc", k=3, **question)
            handle.values("train_acc", missing="nan", **question)
            handle.table("trials").to_arrow()
            handle.close()
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert sorted(folder.rglob("*")) == sorted(paths[1:])  # no journal beside any database
    assert {path: path.stat().st_mtime_ns for path in paths} == before


def test_folder_names_with_odd_characters(home, tmp_path):
    folder = tmp_path / "what? 50% #1"
    shutil.copytree(home, folder)
    assert len(nasbase.open("nb101", home=folder).trials(0)) == 12


HEAVY = ("numpy", "pandas", "pyarrow", "peewee", "h5py", "torch", "yaml")

POINT_QUESTIONS = """
import sys
import nasbase
bench = nasbase.open("nats_tss", home=sys.argv[1])
arch = next(iter(bench))
bench.trials(arch.text, dataset="cifar10", num_epochs=200)
bench.mean(arch, dataset="cifar100", num_epochs=200).x_test_acc_pct
bench.value(arch, "valid_acc", dataset="cifar10", num_epochs=200, at_epoch=12)
bench.curve(arch, series="test_acc", dataset="cifar10", num_epochs=200, run=0)
bench.complexity(arch, "cifar10")
repr(bench.best(dataset="cifar10", num_epochs=200, k=3, max_params=1_000_000))
bench.find(tuple(arch.text.replace("+", "|").split("|")[1:2]) * 0 or arch.text)
bench.neighbours(arch), bench.sample(3, 0), bench.cite(), bench.columns, repr(bench)
print(*sorted(set(sys.argv[2:]) & set(sys.modules)))
"""


def run_python(code, *arguments):
    environment = {name: value for name, value in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_point_questions_load_nothing_heavy(home):
    assert run_python(POINT_QUESTIONS, home, *HEAVY) == ""


def test_importing_loads_next_to_nothing():
    loaded = "import sys, nasbase; print(*[m for m in sys.modules if m.startswith('nasbase')])"
    assert run_python(loaded) == "nasbase"


def test_questions_take_microseconds(bench):
    """A guard against queries that lose their index: far above what is measured, in the median."""
    handle = bench("nats_tss")
    limits = {
        "trials": lambda: handle.trials(0, **QUESTION),
        "mean": lambda: handle.mean(0, **QUESTION),
        "value": lambda: handle.value(0, "test_acc", **QUESTION),
        "complexity": lambda: handle.complexity(0, "cifar10"),
        "curve": lambda: handle.curve(0, series="test_acc", run=0, **QUESTION),
        "series_values": lambda: handle.series_values(0, "cifar10", 200, 0, "ori_test_acc_pct"),
    }
    for name, ask in limits.items():
        times = []
        for _ in range(101):
            start = time.perf_counter()
            ask()
            times.append(time.perf_counter() - start)
        assert sorted(times)[50] < 2e-3, name


@pytest.mark.parametrize("name", NAMES)
def test_every_look_up_has_an_index(bench, name):
    """No point question reads a whole table."""
    handle = bench(name)
    arch = next(iter(handle))
    seen: list[str] = []
    handle.database.connection().set_trace_callback(seen.append)
    dataset = handle.trials(arch)[0].dataset
    question = {"dataset": dataset, "num_epochs": handle.trainings[dataset][-1]}
    handle.trials(arch, **question)
    handle.means(arch, **question)
    handle.value(arch, "test_acc", run=0, **question)
    handle.curve(arch, series="train_acc", run=0, **question)
    handle.complexity(arch, dataset)
    handle.find(arch.text)
    handle.best(select="test_acc", **question)
    handle.database.connection().set_trace_callback(None)
    assert len(seen) > 8
    for sql in {*seen}:
        plan = handle.database.rows(f"EXPLAIN QUERY PLAN {sql}")
        scans = [
            step[3] for step in plan if step[3].startswith("SCAN") and "CONSTANT" not in step[3]
        ]
        assert not scans, (sql, plan)
