"""Running a search function many times, each time with seeds of its own.

def search(clock, space, rng):
    while True:
        clock.evaluate(space.architecture(space.random(rng)))

study = run_searches(bench, "cifar10", search, runs=500)
study.score().test          # mean and standard deviation over the runs
study.regret()              # the curve
"""

from __future__ import annotations

import multiprocessing
import os
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nasbase.errors import NasbaseError, QueryError
from nasbase.query.simulator import BudgetExhausted, Simulator
from nasbase.search.clock import SearchClock
from nasbase.search.protocol import RUNS, Protocol, protocol
from nasbase.search.space import SearchSpace, search_space
from nasbase.search.study import Run, Study

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

Search = Callable[[SearchClock, SearchSpace, random.Random], Any]
"""A search: it evaluates architectures of the space until the clock stops it, or it returns."""


def run_searches(
    bench: Benchmark,
    dataset: str,
    search: Search,
    *,
    runs: int = RUNS,
    seed: int = 0,
    name: str | None = None,
    time_budget_s: float | None = None,
    num_epochs: int | None = None,
    full_epochs: int | None = None,
    fallback: str | None = None,
    present_only: bool | None = None,
    workers: int = 1,
) -> Study:
    """Run a search many times under a time budget.

    Run `i` has two generators of its own, one for the search and one for the clock, which follow
    from `seed` and `i` alone: the runs are the same for any number of workers.

    Parameters
    ----------
    bench
        An open benchmark.
    dataset
        Data set as the papers name it.
    search
        The search function.
    runs
        Number of runs.
    seed
        Seed of the study.
    name
        Name of the method in tables; None is the function's.
    time_budget_s, num_epochs, full_epochs
        Seconds of a run, schedule of the evaluations, schedule of the scores; None is what the
        benchmark's paper took (`nasbase.search.protocol`).
    fallback
        See `nasbase.query.simulator.Simulator`: it shows test data to the search.
    present_only
        Whether to propose only architectures of the build; None does so in a partial build.
    workers
        Processes. Under a start method other than fork, the function must be importable.

    Raises
    ------
    QueryError
        If the benchmark cannot be searched, no protocol is known and none is given, or a run
        ends without an evaluation.
    NasbaseError
        If the search function fails: with the number of the run and the traceback.
    """
    if runs < 1 or workers < 1:
        raise QueryError(
            "A study needs runs and processes to run them.",
            expected="runs and workers of 1 or more",
            found=f"runs={runs}, workers={workers}",
        )
    space = search_space(bench, present_only)
    terms = _protocol(
        bench,
        dataset,
        {"time_budget_s": time_budget_s, "num_epochs": num_epochs, "full_epochs": full_epochs},
    )
    job = _Job(bench, dataset, search, space, seed, terms, fallback)
    return Study(
        bench=bench,
        method=name or str(getattr(search, "__name__", "search")),
        dataset=dataset,
        protocol=terms,
        seed=seed,
        present_only=space.present is not None,
        runs=tuple(_runs(job, runs, workers)),
    )


def _protocol(bench: Benchmark, dataset: str, given: dict[str, Any]) -> Protocol:
    """The published protocol with what is given in its place."""
    if None not in given.values():
        return Protocol(**given, rule="nearest")
    changed = {name: value for name, value in given.items() if value is not None}
    return protocol(bench.name, dataset)._replace(**changed)


@dataclass(frozen=True)
class _Job:
    """What every run of a study needs."""

    bench: Benchmark
    dataset: str
    search: Search
    space: SearchSpace
    seed: int
    protocol: Protocol
    fallback: str | None

    def run(self, index: int) -> Run:
        simulator = Simulator(
            self.bench,
            self.dataset,
            num_epochs=self.protocol.num_epochs,
            time_budget_s=self.protocol.time_budget_s,
            seed=_seed(self.seed, index, "clock"),
            fallback=self.fallback,
        )
        clock = SearchClock(simulator, self.bench.name, self.dataset)
        rng = random.Random(_seed(self.seed, index, "search"))
        try:
            self.search(clock, self.space, rng)
        except BudgetExhausted:
            pass  # the usual end of a search
        except NasbaseError:
            raise
        except Exception as error:
            raise NasbaseError(
                "The search function failed.",
                where=f"run {index} of seed {self.seed}",
                found=traceback.format_exc(),
                todo="The run is the same when it is repeated with this seed.",
            ) from error
        if not simulator.history:
            raise QueryError(
                "The search ended without an evaluation.", where=f"run {index} of seed {self.seed}"
            )
        return Run(index, simulator.history)


def _seed(seed: int, index: int, what: str) -> int:
    """A seed of one run; Python derives the same integer from a text on every machine."""
    return random.Random(f"nasbase {what} {seed} {index}").getrandbits(63)


_job: _Job | None = None


def _start(job: _Job) -> None:
    global _job  # noqa: PLW0603 - what a worker process was started for
    _job = job


def _run(index: int) -> Run:
    assert _job is not None  # noqa: S101 - set when the process started
    return _job.run(index)


def _runs(job: _Job, runs: int, workers: int) -> Iterator[Run]:
    if workers == 1 or runs == 1:
        yield from map(job.run, range(runs))
        return
    method = "fork" if hasattr(os, "fork") else "spawn"
    processes = min(workers, runs)
    with multiprocessing.get_context(method).Pool(processes, _start, (job,)) as pool:
        yield from pool.imap(_run, range(runs), chunksize=max(1, runs // (8 * processes)))
