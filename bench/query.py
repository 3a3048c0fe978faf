"""How fast questions are answered, beside the packages that people use, in one run.

    make bench
    python bench/query.py --architectures 300 --date 2026-01-31

Everything is asked of the same made-up records: a sample release in upstream's exact format, which
nats_bench reads itself and of which nasbase and NNI have a build. Answers are compared before
anything is timed. See bench/README.md.
"""

from __future__ import annotations

import argparse
import math
import platform
import random
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import builds
import nats_bench
import nni_database
import processes
from report import Line, machine, markdown, text
from timing import Peer, Question, here, medians

import nasbase

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
CURVE = "ori_test_acc_pct"
"""Series of the curves: the one split that was evaluated after each of 200 epochs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, keep it; the result is the exit status."""
    given = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", module="nats_bench")
    cache = given.cache.absolute()
    sample = cache / f"topology-{given.architectures}"
    released, home = builds.topology_sample(sample, given.architectures), sample / "results"
    bench = nasbase.open("nats_tss", builds.SAMPLE, home)
    lines = [*beside_nats_bench(bench, released, given.questions)]
    if given.nni:
        lines += beside_nni(bench, cache, sample, given.questions)
    lines += fresh_processes(home, released, given.questions)
    if given.whole_spaces:
        whole = cache / "whole"
        builds.whole_topology(whole)
        builds.whole_cells(whole)
        lines += whole_spaces(whole / "results", given.questions)
    print(text(lines))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(markdown(lines, facts(bench, given)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Speed of questions, beside nats_bench and NNI.")
    parser.add_argument(
        "--architectures", type=int, default=300, help="of the sample release (default: 300)"
    )
    parser.add_argument(
        "--questions", type=int, default=1000, help="per measured call (default: 1000)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/bench"),
        help="folder of samples, builds and NNI's environment (default: build/bench)",
    )
    parser.add_argument("--no-nni", dest="nni", action="store_false", help="leave NNI out")
    parser.add_argument(
        "--no-whole-spaces",
        dest="whole_spaces",
        action="store_false",
        help="leave out what needs builds of whole spaces (some minutes, once)",
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write, too")
    parser.add_argument("--date", help="date to write into it")
    return parser


def facts(bench: Benchmark, given: argparse.Namespace) -> list[str]:
    """What the numbers were measured on and with."""
    versions = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    versions += [f"{name} {metadata.version(name)}" for name in ("nasbase", "nats_bench", "numpy")]
    versions += ["NNI 3.0"] if given.nni else []
    asked = f"medians of {given.questions} questions, fewer where one takes milliseconds"
    sample = f"{len(bench)} made-up architectures of NATS-Bench's topology space; {asked}"
    return [*([given.date] if given.date else []), ", ".join(versions), machine(), sample]


def random_questions(bench: Benchmark, number: int) -> list[Question]:
    """Architectures of the build and data sets, drawn with a fixed seed."""
    rng = random.Random(1)
    arch_ids = [arch.arch_id for arch in bench]
    return [(rng.choice(arch_ids), rng.choice(DATASETS)) for _ in range(number)]


def against(
    question: str,
    ours: Callable[..., Any],
    peer: str,
    theirs: Callable[..., Any],
    questions: Sequence[Question],
    *,
    at_least: float | None = None,
) -> Line:
    """One question to nasbase and to a peer in this process."""
    took = medians({"ours": here(ours), "theirs": here(theirs)}, questions)
    return Line(question, took["ours"], peer, took["theirs"], at_least)


def reading(call: Callable[..., Any]) -> Callable[..., Any]:
    """A question for rows with a look at one of their columns, as whoever asks takes one."""
    return lambda *question: call(*question)[CURVE]


def agree(ours: float, theirs: float, about: object) -> None:
    """End the run if two answers differ: then there is nothing to compare."""
    if not math.isclose(ours, theirs, rel_tol=1e-9):
        raise SystemExit(f"the answers differ about {about}: {ours!r} and {theirs!r}")


# ---------------------------------------------------------------------------------------------
# nats_bench


def beside_nats_bench(bench: Benchmark, released: Path, number: int) -> Iterator[Line]:
    """The same questions to nats_bench."""
    api = nats_bench.create(str(released), "tss", fast_mode=True, verbose=False)
    questions = random_questions(bench, number)
    yield from _cold(bench, api)  # loads every architecture: from here on it is warm
    for num_epochs in (200, 12):
        yield from _warm(bench, api, num_epochs, questions)
    yield against(
        "best, of these architectures",
        lambda: bench.best(dataset="cifar10", num_epochs=200),
        "warm: find_best",
        lambda: api.find_best("cifar10", "valid", hp="200", enforce_all=False),
        [()] * max(2, number // 100),
    )


def _cold(bench: Benchmark, api: Any) -> Iterator[Line]:
    """First questions about an architecture: nats_bench unpacks its file."""
    seeds = {arch.arch_id: bench.trials(arch, dataset="cifar100").seed[-1] for arch in bench}
    half = len(seeds) // 2

    def points(arch: int) -> list[float]:
        trial = api.query_by_index(arch, "cifar100", hp="200")[seeds[arch]]
        return [trial.get_eval("ori-test", epoch)["accuracy"] for epoch in range(200)]

    def curve(arch: int) -> Sequence[float]:
        of = {"dataset": "cifar100", "num_epochs": 200, "seed": seeds[arch]}
        return bench.curve(arch, series=CURVE, **of).values

    def mean(arch: int) -> Any:
        return bench.mean(arch, dataset="cifar100", num_epochs=200)

    def more_info(arch: int) -> Any:
        return api.get_more_info(arch, "cifar100", hp="200", is_random=False)

    first, second = [(arch,) for arch in [*seeds][:half]], [(arch,) for arch in [*seeds][half:]]
    yield against("curve, 200 epochs", curve, "cold: one curve", points, first, at_least=20)
    yield against("mean, 200 epochs", reading(mean), "cold: get_more_info", more_info, second)
    for arch in seeds:
        for ours, theirs in zip(curve(arch), points(arch), strict=True):
            agree(ours, theirs, ("curve", arch))


def _warm(
    bench: Benchmark, api: Any, num_epochs: int, questions: Sequence[Question]
) -> Iterator[Line]:
    """Questions about architectures that nats_bench has in memory."""
    hp, long = str(num_epochs), num_epochs == 200
    of = {"num_epochs": num_epochs}
    clocks = {name: bench.simulator(name, **of, seed=1) for name in DATASETS}

    def trials(arch: int, dataset: str) -> Any:
        return bench.trials(arch, dataset=dataset, **of)

    def mean(arch: int, dataset: str) -> Any:
        return bench.mean(arch, dataset=dataset, **of)

    def value(arch: int, dataset: str) -> float:
        return bench.value(arch, "test_acc", dataset=dataset, **of)

    def complexity(arch: int, dataset: str) -> Any:
        return bench.complexity(arch, dataset)

    def step(arch: int, dataset: str) -> Any:
        return clocks[dataset].evaluate(arch)

    def one_run(arch: int, dataset: str) -> Any:
        return api.get_more_info(arch, dataset, hp=hp)

    def all_runs(arch: int, dataset: str) -> Any:
        return api.get_more_info(arch, dataset, hp=hp, is_random=False)

    def cost_info(arch: int, dataset: str) -> Any:
        return api.get_cost_info(arch, dataset, hp=hp)

    def latency(arch: int, dataset: str) -> Any:
        return api.get_latency(arch, dataset, hp=hp)

    def their_step(arch: int, dataset: str) -> Any:
        return api.simulate_train_eval(arch, dataset, hp=hp)

    for question in questions[:200]:
        mine, costs = mean(*question), cost_info(*question)
        agree(value(*question), all_runs(*question)["test-accuracy"], question)
        agree(mine.latency_s, latency(*question), question)
        flops = complexity(*question).to_dict()["flops_m"]  # some runs recorded a wrong one
        agree(min(flops, key=lambda run: abs(run - costs["flops"])), costs["flops"], question)
        agree(mine.train_time_total_s, costs["T-train@total"], question)
        agree(step(*question).time_s, their_step(*question)[2], question)
        seeds = api.query_by_index(question[0], question[1], hp=hp)
        agree(len(trials(*question)), len(seeds), question)

    at_least, costs_at_least = (10, 50) if long else (1, 10)
    after = f", {num_epochs} epochs"
    info = "warm: get_more_info"
    yield against(
        f"trials{after}", reading(trials), f"{info}, one run", one_run, questions, at_least=at_least
    )
    yield against(
        f"mean{after}", reading(mean), f"{info}, all runs", all_runs, questions, at_least=at_least
    )
    texts = {arch.arch_id: arch.text for arch in bench}
    yield against(
        f"mean{after}, by the architecture's string",
        lambda arch, dataset: mean(texts[arch], dataset)[CURVE],
        f"{info}, all runs",
        lambda arch, dataset: all_runs(texts[arch], dataset),
        questions,
        at_least=at_least,
    )
    yield against(f"value{after}", value, f"{info}, all runs", all_runs, questions)
    few = questions[: len(questions) // 4]  # these take upstream milliseconds
    yield against(
        f"complexity{after}",
        complexity,
        "warm: get_cost_info",
        cost_info,
        few,
        at_least=costs_at_least,
    )
    yield against(
        f"complexity, its latency{after}",
        lambda arch, dataset: complexity(arch, dataset).latency_s,
        "warm: get_latency",
        latency,
        few,
    )
    yield against(
        f"simulator step{after}",
        step,
        "warm: simulate_train_eval",
        their_step,
        few,
        at_least=costs_at_least,
    )


# ---------------------------------------------------------------------------------------------
# NNI


def beside_nni(bench: Benchmark, cache: Path, sample: Path, number: int) -> Iterator[Line]:
    """The same questions to NNI, from its own kind of database of the same records."""
    python = nni_database.environment(cache)
    if python is None:
        print("NNI's environment could not be made: its lines are left out", file=sys.stderr)
        return
    database = sample / "nasbench201.db"
    nni_database.write(bench.folder, database)
    cells = {arch.arch_id: bench.space.decode(arch.text, "nni") for arch in bench}

    def translate(arch: int, dataset: str) -> Question:
        return cells[arch], 200, nni_database.DATASETS[dataset]

    command = [str(python), str(Path(__file__).with_name("nni_peer.py")), str(database)]
    peer = Peer(command, translate)
    questions = random_questions(bench, number)
    of = {"num_epochs": 200}
    for arch, dataset in questions[:50]:
        (theirs,) = peer.answer("mean", (arch, dataset))
        agree(bench.mean(arch, dataset=dataset, **of)[CURVE], theirs["ori_test_acc"], arch)
        runs = peer.answer("trials", (arch, dataset))
        agree(len(bench.trials(arch, dataset=dataset, **of)), len(runs), arch)

    def trials(arch: int, dataset: str) -> Any:
        return bench.trials(arch, dataset=dataset, **of)

    def mean(arch: int, dataset: str) -> Any:
        return bench.mean(arch, dataset=dataset, **of)

    def curve(arch: int, dataset: str) -> Any:
        return bench.curve(arch, dataset=dataset, **of, series=CURVE, run=0)

    def curves(arch: int, dataset: str) -> Any:
        runs = bench.runs(arch, dataset, 200)
        return [
            bench.series_values(arch, dataset, 200, run, series)
            for run in runs
            for series in bench.series
        ]

    few = questions[: max(2, number // 50)]  # a fifth of a second each
    for name, call, theirs, asked, at_least in (
        ("trials", reading(trials), "trials", questions, None),
        ("mean", reading(mean), "mean", questions, None),
        ("curve", curve, "intermediates", few, 500),
        ("every curve of every run", curves, "intermediates", few, None),
    ):
        took = medians({"ours": here(call), "theirs": peer.asker(theirs)}, asked)
        title = "NNI: query_nb201_trial_stats" + ("" if theirs == "trials" else f", {theirs}")
        yield Line(f"{name}, 200 epochs", took["ours"], title, took["theirs"], at_least)
    peer.close()


# ---------------------------------------------------------------------------------------------
# processes and whole spaces


def fresh_processes(home: Path, released: Path, number: int) -> Iterator[Line]:
    """First answers of fresh interpreters, and what a process holds after many questions."""
    took = processes.first_answers(home, released, repeat=max(3, number // 50))
    yield Line(
        "first answer of a fresh interpreter",
        took["nasbase"],
        "the same",
        took["nats_bench"],
        at_most=0.080,
    )
    yield Line("an interpreter that does nothing", took["empty"])
    for what, arrays in (("about one architecture", False), ("and best, values", True)):
        held = processes.memory(home, builds.SAMPLE, 10 * number, curves=True, arrays=arrays)
        question = f"memory after {10 * number:,} random questions {what}"
        yield Line(question, held, at_most=150e6, unit="B")


def whole_spaces(home: Path, number: int) -> Iterator[Line]:
    """Questions about all architectures of whole spaces."""
    tss = nasbase.open("nats_tss", builds.WHOLE, home)
    cells = nasbase.open("nb101", builds.WHOLE, home)
    of = {"dataset": "cifar10", "num_epochs": 200}
    best, best_nb101 = f"best of {len(tss):,} cells", f"best of {len(cells):,} cells (nb101)"
    for question, call, at_most in (
        (f"values of {len(tss):,} cells", lambda: tss.values("test_acc", **of), 0.020),
        (best, lambda: tss.best(**of), 0.050),
        (f"{best}, k=10", lambda: tss.best(**of, k=10), 0.050),
        (f"{best}, max_params", lambda: tss.best(**of, max_params=800_000), 0.050),
        (f"{best}, max_latency_s", lambda: tss.best(**of, max_latency_s=0.015), 0.050),
        (best_nb101, lambda: cells.best(num_epochs=108), 0.050),
        (f"{best_nb101}, k=10", lambda: cells.best(num_epochs=108, k=10), 0.050),
        (
            f"{best_nb101}, max_params",
            lambda: cells.best(num_epochs=108, max_params=2_000_000),
            0.050,
        ),
        (f"values of {len(cells):,} cells (nb101)", lambda: cells.values("test_acc"), None),
    ):
        took = medians({"ours": here(call)}, [()] * max(3, number // 20))
        yield Line(question, took["ours"], at_most=at_most)
    held = processes.memory(home, builds.WHOLE, 10 * number, curves=False, arrays=True)
    question = f"memory after {10 * number:,} random questions to the whole space, best, values"
    yield Line(question, held, at_most=150e6, unit="B")


if __name__ == "__main__":
    sys.exit(main())
