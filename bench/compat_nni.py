"""How fast `nasbase.compat.nni` answers, beside NNI 3.0 on the same databases.

    python bench/compat_nni.py

NNI answers in an environment of its own, which the first run makes; this program asks both, in
turns, and compares every answer before it takes the time. Run with ``--serve`` it is NNI's side.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import random
import sqlite3
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

QUERIES = {
    "nasbench101": "query_nb101_trial_stats",
    "nasbench201": "query_nb201_trial_stats",
    "nds": "query_nds_trial_stats",
}
BENCHMARKS = {"nasbench101": "nb101", "nasbench201": "nb201", "nds": "nds"}
FORMS = {
    "trials": {},
    "mean": {"reduction": "mean"},
    "intermediates": {"include_intermediates": True},
}
NETWORK = ("model_family", "proposer", "generator", "model_spec", "cell_spec", "dataset")
ROWS = 2000
"""Rows that a question with wildcards takes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; the result is the exit status."""
    parser = argparse.ArgumentParser(description="Speed of NNI's queries, beside NNI.")
    parser.add_argument("--questions", type=int, default=300, help="per measured call")
    parser.add_argument("--cells", type=int, default=3000, help="of NAS-Bench-101's sample")
    parser.add_argument("--architectures", type=int, default=60, help="of NAS-Bench-201's sample")
    parser.add_argument("--jobs", type=int, default=3000, help="of NDS's sample")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"))
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        serve(given.serve)
        return 0
    from report import text

    print(text([*measured(given)]))
    return 0


# ---------------------------------------------------------------------------------------------
# NNI's side


def serve(databases: Path) -> None:
    """Answer what `timing.Peer` asks, with NNI's functions."""
    import nni

    nni.set_default_framework("none")  # else NNI wants PyTorch Lightning
    from playhouse.sqlite_ext import SqliteExtDatabase

    queries = {}
    for name, function in QUERIES.items():
        package = import_module(f"nni.nas.benchmark.{name}")
        path = databases / f"{name}.db"
        package.schema.proxy.initialize(SqliteExtDatabase(str(path), autoconnect=True))
        queries[name] = getattr(package, function)
    for line in sys.stdin:
        request = json.loads(line)
        name, form = request["call"].split()
        seconds = []
        gc.disable()
        for question in request["questions"]:
            start = perf_counter()
            answer = list(itertools.islice(queries[name](*question, **FORMS[form]), ROWS))
            seconds.append(perf_counter() - start)
        gc.enable()
        print(json.dumps({"seconds": seconds, "answer": answer}), flush=True)


# ---------------------------------------------------------------------------------------------
# our side


def measured(given: argparse.Namespace) -> Iterator[Any]:
    """Lines of the table."""
    import nni_database
    from timing import Peer

    from nasbase.compat.nni import NniWarning

    warnings.simplefilter("ignore", NniWarning)
    cache = given.cache.absolute()
    folder = cache / f"nni-{given.cells}-{given.architectures}-{given.jobs}"
    write_databases(folder, given)
    os.environ["NASBENCHMARK_DIR"] = str(folder)
    python = nni_database.environment(cache)
    if python is None:
        raise SystemExit("NNI cannot be installed here")
    peer = Peer([str(python), __file__, "--serve", str(folder)])
    rng = random.Random(1)
    for name, questions in asked(folder, given.questions, rng).items():
        yield from beside(peer, name, questions)
    peer.close()


def write_databases(folder: Path, given: argparse.Namespace) -> None:
    """NNI's database of a sample release of each benchmark, once."""
    import builds

    from nasbase.store.nni.writer import write_nni

    counts = {"nb101": given.cells, "nb201": given.architectures, "nds": given.jobs}
    for name, benchmark in BENCHMARKS.items():
        path = folder / f"{name}.db"
        if not path.exists():
            print(f"making a sample of {benchmark} ...", file=sys.stderr)
            options = [f"--architectures={counts[benchmark]}"]
            builds.sample_build(benchmark, builds.SAMPLE, folder, options)
            write_nni(folder / "results" / benchmark / builds.SAMPLE, path)


def asked(folder: Path, number: int, rng: random.Random) -> dict[str, list[list[Any]]]:
    """Arguments of questions about trained architectures, by the name of the database."""

    def configs(name: str, where: str) -> list[dict[str, Any]]:
        prefix = BENCHMARKS[name]
        with closing(sqlite3.connect(folder / f"{name}.db")) as database:
            database.row_factory = sqlite3.Row
            sql = (
                f"SELECT * FROM {prefix}trialconfig WHERE {where} AND "  # noqa: S608
                f"id IN (SELECT config_id FROM {prefix}trialstats)"
            )
            return rng.choices([dict(row) for row in database.execute(sql)], k=number)

    def network(config: dict[str, Any]) -> list[Any]:
        specs = {key: json.loads(config[key]) for key in ("model_spec", "cell_spec")}
        return [(config | specs)[key] for key in NETWORK]

    return {
        "nasbench101": [
            [json.loads(config["arch"]), 108]
            for config in configs("nasbench101", "num_epochs = 108")
        ],
        "nasbench201": [
            [json.loads(config["arch"]), 200, config["dataset"]]
            for config in configs("nasbench201", "num_epochs = 200")
        ],
        "nds": [network(config) for config in configs("nds", "1")],
    }


def beside(peer: Any, name: str, questions: list[list[Any]]) -> Iterator[Any]:
    """The same questions to both."""
    from report import Line
    from timing import here, medians

    query = getattr(import_module(f"nasbase.compat.nni.{name}"), QUERIES[name])

    def answer(form: str) -> Callable[..., list[Any]]:
        return lambda *question: list(itertools.islice(query(*question, **FORMS[form]), ROWS))

    for form, at_least in (("trials", 5), ("mean", 5), ("intermediates", 100)):
        call = f"{name} {form}"
        few = questions[:8] if form == "intermediates" else questions
        for question in few[:5]:
            if repr(answer(form)(*question)) != repr(peer.answer(call, question)):
                raise SystemExit(f"the answers differ about {call} {question}")
        few = few * 5 if form == "intermediates" and name != "nasbench201" else few
        took = medians({"ours": here(answer(form)), "theirs": peer.asker(call)}, few, block=4)
        yield Line(f"{call}, one architecture", took["ours"], "NNI", took["theirs"], at_least)
    everything: list[Any] = [None] * len(questions[0])
    for form in ("trials", "mean"):
        call = f"{name} {form}"
        took = medians(
            {"ours": here(answer(form)), "theirs": peer.asker(call)}, [everything] * 3, block=1
        )
        yield Line(f"{call}, {ROWS} rows of all", took["ours"], "NNI", took["theirs"])
    start = perf_counter()
    deque(query(*everything, **FORMS["intermediates"]), maxlen=0)
    yield Line(f"{name}: every trial with its intermediates", perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
