"""What only a process of its own can tell: its first answer, its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

EMPTY = "pass"

FIRST_ANSWER = """
import nasbase
bench = nasbase.open("nats_tss", release="sample", home={home!r})
print(bench.mean(11, dataset="cifar100", num_epochs=200).x_test_acc_pct)
"""

FIRST_ANSWER_NATS_BENCH = """
import nats_bench
api = nats_bench.create({released!r}, "tss", fast_mode=True, verbose=False)
print(api.get_more_info(11, "cifar100", hp="200", is_random=False)["test-accuracy"])
"""

QUESTIONS = """
import random
import nasbase
rng = random.Random(1)
bench = nasbase.open("nats_tss", release={release!r}, home={home!r})
arch_ids = [arch.arch_id for arch in bench]
clock = bench.simulator("cifar10", num_epochs=12, seed=1)
for _ in range({number}):
    arch, dataset = rng.choice(arch_ids), rng.choice(bench.datasets)
    what = {{"dataset": dataset, "num_epochs": rng.choice((12, 200))}}
    kind = rng.randrange({kinds})
    if kind == 0:
        list(bench.trials(arch, **what))
    elif kind == 1:
        bench.mean(arch, **what).ori_test_acc_pct
    elif kind == 2:
        bench.value(arch, "test_acc", **what)
    elif kind == 3:
        bench.complexity(arch, dataset).latency_s
    elif kind == 4:
        bench[arch].text
    elif kind == 5:
        bench.curve(arch, series="train_acc", run=0, **what)
    else:
        clock.evaluate(arch)
"""

MORE_QUESTIONS = """
for _ in range(10):
    bench.values("test_acc", dataset="cifar10", num_epochs=200)
    bench.best(dataset="cifar10", num_epochs=200, k=10)
"""

PEAK = """
try:  # not ru_maxrss, which on Linux starts from the memory of the parent process
    lines = open("/proc/self/status").read().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
except OSError:
    import resource, sys
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
print(peak)
"""


def seconds(script: str, repeat: int) -> float:
    """Median time of a fresh interpreter that runs a script, its start included."""
    times = []
    for _ in range(repeat + 1):  # the first one warms the disk cache and writes bytecode
        start = perf_counter()
        _run(script)
        times.append(perf_counter() - start)
    return median(times[1:])


def peak_memory(script: str) -> float:
    """Bytes that a fresh interpreter held at most while it ran a script."""
    return float(_run(script + PEAK).splitlines()[-1])


def first_answers(home: Path, released: Path, repeat: int) -> dict[str, float]:
    """Seconds until a fresh interpreter has printed its first answer."""
    scripts = {
        "nasbase": FIRST_ANSWER.format(home=str(home)),
        "nats_bench": FIRST_ANSWER_NATS_BENCH.format(released=str(released)),
        "empty": EMPTY,
    }
    answers = {name: _run(script) for name, script in scripts.items()}
    if abs(float(answers["nasbase"]) - float(answers["nats_bench"])) > 1e-9:
        raise SystemExit(f"the first answers differ: {answers}")
    return {name: seconds(script, repeat) for name, script in scripts.items()}


def memory(home: Path, release: str, number: int, *, curves: bool, arrays: bool) -> float:
    """Peak bytes of a process that has asked many random questions.

    ``curves``: also questions for curves and simulator steps; ``arrays``: also `values` and
    `best`, which load numpy.
    """
    kinds = 7 if curves else 5
    script = QUESTIONS.format(home=str(home), release=release, number=number, kinds=kinds)
    return peak_memory(script + (MORE_QUESTIONS if arrays else ""))


def _run(script: str) -> str:
    # An installed package has its bytecode; without it each process would compile the sources.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"a measured process failed:\n{done.stderr}")
    return done.stdout
