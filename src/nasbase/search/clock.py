"""The clock as a search sees it: evaluations and time, and no way to anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nasbase.query.simulator import Evaluation, Simulator


class SearchClock:
    """What a search function is given instead of the benchmark.

    It has no attribute that leads to a benchmark, so that no search can look at test accuracies,
    not even by mistake; neither do the evaluations that it gives out.

    Attributes
    ----------
    benchmark, dataset
        What is searched, as the papers name it.
    num_epochs
        Schedule of the evaluations.
    time_budget_s
        Seconds of the search. After them `evaluate` raises `BudgetExhausted`, which a search
        function need not catch.
    """

    __slots__ = (
        "_elapsed",
        "_evaluate",
        "_resume",
        "benchmark",
        "dataset",
        "num_epochs",
        "time_budget_s",
    )

    def __init__(self, simulator: Simulator, benchmark: str, dataset: str) -> None:
        def evaluate(arch: Any, num_epochs: int | None, at_epoch: int | None) -> Evaluation:
            return simulator.evaluate(arch, num_epochs=num_epochs, at_epoch=at_epoch)

        def resume(evaluation: Evaluation, at_epoch: int | None) -> Evaluation:
            return simulator.resume(evaluation, at_epoch)

        # Functions that close over the simulator, for a bound method would lead back to it.
        self._evaluate: Callable[..., Evaluation] = evaluate
        self._resume: Callable[..., Evaluation] = resume
        self._elapsed: Callable[[], float] = lambda: simulator.elapsed_s
        self.benchmark = benchmark
        self.dataset = dataset
        self.num_epochs = simulator.num_epochs
        self.time_budget_s = simulator.time_budget_s

    @property
    def elapsed_s(self) -> float:
        """Seconds spent."""
        return self._elapsed()

    def evaluate(
        self, arch: Any, *, num_epochs: int | None = None, at_epoch: int | None = None
    ) -> Evaluation:
        """Train and validate an architecture (`nasbase.query.simulator.Simulator.evaluate`)."""
        return self._evaluate(arch, num_epochs, at_epoch)

    def resume(self, evaluation: Evaluation, at_epoch: int | None = None) -> Evaluation:
        """Continue a training (`nasbase.query.simulator.Simulator.resume`)."""
        return self._resume(evaluation, at_epoch)
