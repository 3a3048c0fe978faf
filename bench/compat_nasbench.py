"""How fast `nasbase.compat.nasbench` opens and answers on a build of the whole space.

    python bench/compat_nasbench.py

Google's own API needs TensorFlow 1 and is not timed here; its users report 60 to 120 s and several
GB to open the release.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import builds
from report import Line, text

PROGRAM = """
import json, random, sys
from statistics import median
from time import perf_counter
from nasbase.compat.nasbench import api

def timed(call, questions):
    times = []
    for question in questions:
        start = perf_counter()
        call(question)
        times.append(perf_counter() - start)
    return median(times)

folder, number = sys.argv[1], int(sys.argv[2])
start = perf_counter()
nasbench = api.NASBench(folder, seed=1)
opened = perf_counter() - start
sql = "SELECT hash FROM architectures WHERE arch_id = ?"
ids = random.sample(range(len(nasbench.hash_iterator())), number)
hashes = [nasbench._bench.database.row(sql, (arch_id,))[0] for arch_id in ids]
cells = [nasbench.fixed_statistics[text] for text in hashes]
given = [(cell["module_adjacency"].tolist(), cell["module_operations"]) for cell in cells]
specs = [api.ModelSpec(*one) for one in given]
found = {
    "open": opened,
    "ModelSpec": timed(lambda one: api.ModelSpec(*one), given),
    "query, a cell not asked about before": timed(nasbench.query, specs),
    "query, a cell asked about before": timed(nasbench.query, specs[-1000:] * 3),
    "get_metrics_from_spec": timed(nasbench.get_metrics_from_spec, specs[-1000:]),
    "is_valid": timed(nasbench.is_valid, specs),
}
with open("/proc/self/status") as status:
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM"))
found["peak memory"] = int(peak) * 1024
start = perf_counter()
list(nasbench.hash_iterator())
found["list(hash_iterator())"] = perf_counter() - start
print(json.dumps(found))
"""
AT_MOST = {
    "open": 0.01,
    "query, a cell asked about before": 1e-4,
    "peak memory": 150e6,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in a process of its own and print the table; the result is the exit status."""
    parser = argparse.ArgumentParser(description="Speed of google's API on a build.")
    parser.add_argument("--questions", type=int, default=10_000, help="different cells")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"))
    given = parser.parse_args(arguments)
    whole = given.cache.absolute() / "whole"
    builds.whole_cells(whole)
    folder = whole / "results" / "nb101" / builds.WHOLE
    command = [sys.executable, "-c", PROGRAM, str(folder), str(given.questions)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    print(
        text(
            [
                Line(name, value, at_most=AT_MOST.get(name), unit="B" if "memory" in name else "s")
                for name, value in found.items()
            ]
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
