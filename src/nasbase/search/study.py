"""Many seeded runs of one search, and their scores.

A run is its evaluations in order: seconds on the clock, validation accuracy, architecture. The
architecture with the best validation accuracy so far is scored by its mean test accuracy over all
seeds at the full schedule. No search ever sees that number.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from nasbase.errors import QueryError
from nasbase.query.simulator import Evaluation
from nasbase.search.protocol import Protocol

if TYPE_CHECKING:
    import pandas as pd

    from nasbase.query.handle import Benchmark


class Summary(NamedTuple):
    """Mean and standard deviation over runs; divided by n (``np.std``), as in the papers."""

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sd:.2f}"


def summary(values: Sequence[float]) -> Summary:
    """Mean and standard deviation (ddof 0) of some values."""
    n = len(values)
    mean = math.fsum(values) / n
    return Summary(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / n), n)


class Run:
    """One run of a search.

    Attributes
    ----------
    index
        Number of the run, which its seeds follow from.
    elapsed_s, values, arch_ids, num_epochs, epochs
        Of every evaluation: the seconds on the clock after it, the validation accuracy in
        percent, the architecture, the schedule, and the epoch of it at which it stopped.
    """

    __slots__ = ("arch_ids", "elapsed_s", "epochs", "index", "num_epochs", "values")

    def __init__(self, index: int, evaluations: Iterable[Evaluation]) -> None:
        self.index = index
        self.elapsed_s = array("d")
        self.values = array("d")
        self.arch_ids = array("l")
        self.num_epochs = array("h")
        self.epochs = array("h")
        for evaluation in evaluations:
            self.elapsed_s.append(evaluation.elapsed_s)
            self.values.append(evaluation.value)
            self.arch_ids.append(evaluation.arch_id)
            self.num_epochs.append(evaluation.num_epochs)
            self.epochs.append(evaluation.epoch)

    def __len__(self) -> int:
        return len(self.arch_ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def best_so_far(self) -> list[int]:
        """After every evaluation, the architecture with the highest value; ties go to the first.

        Values are compared as they are, also those of shorter trainings, as upstream does for
        BOHB. A NaN is never the best, unless there is nothing else.
        """
        best: list[int] = []
        highest = -math.inf
        for arch_id, value in zip(self.arch_ids, self.values, strict=True):
            if not best or value > highest:
                best.append(arch_id)
                highest = -math.inf if math.isnan(value) else value
            else:
                best.append(best[-1])
        return best

    def __repr__(self) -> str:
        end = f", {self.elapsed_s[-1]:.0f} s" if self.elapsed_s else ""
        return f"Run({self.index}, {len(self)} evaluations{end})"


# ---------------------------------------------------------------------------------------------
# scores at the budget


def nearest(times: Sequence[float], scores: Sequence[float], budget: float) -> float:
    """NATS-Bench's rule: the line through the two evaluations nearest in time to the budget.

    Both may lie on the same side of it; the line is then extended, as upstream does. A run that
    ended before its budget, which upstream's never do, has its last score.
    """
    if len(times) == 1 or times[-1] < budget:
        return scores[-1]
    order = sorted(range(len(times)), key=lambda position: abs(times[position] - budget))
    a, b = order[:2]
    if times[a] == times[b]:
        return scores[max(a, b)]
    width = times[b] - times[a]
    return (times[b] - budget) / width * scores[a] + (budget - times[a]) / width * scores[b]


def last(times: Sequence[float], scores: Sequence[float], budget: float) -> float:
    """The plain rule: the score after the last evaluation that ended within the budget."""
    position = bisect_right(times, budget) - 1
    if position < 0:
        raise QueryError(
            "No evaluation of a run ended within the budget.",
            expected=f"at most {budget:g} s",
            found=f"the first one ended at {times[0]:.2f} s",
            todo="Give the search more time.",
        )
    return scores[position]


RULES: Mapping[str, Callable[[Sequence[float], Sequence[float], float], float]] = {
    "nearest": nearest,
    "last": last,
}
"""Ways to read a run's score at its budget."""


class Score(NamedTuple):
    """Scores of a study at its budget, in percent: means over seeds at the full schedule."""

    valid: Summary
    test: Summary


class RegretCurve(NamedTuple):
    """Best mean test accuracy of the build minus that of the best architecture so far.

    Attributes
    ----------
    times_s
        Points of the clock, from the end of every run's first evaluation to the budget.
    mean, sd, median
        Over the runs, in percent points; sd is divided by n.
    best_test_acc_pct
        The accuracy that regret is measured against.
    """

    times_s: tuple[float, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    median: tuple[float, ...]
    best_test_acc_pct: float

    def to_dict(self) -> dict[str, Any]:
        """The columns by name."""
        return self._asdict()

    def to_pandas(self) -> pd.DataFrame:
        """One row per point."""
        import pandas as pd

        columns = self._asdict()
        del columns["best_test_acc_pct"]
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class Study:
    """Runs of one method on one data set.

    Attributes
    ----------
    bench
        The benchmark that was searched.
    method
        Name of the search.
    dataset
        Data set as the papers name it.
    protocol
        Time budget of every run, schedules of the evaluations and of the scores, rule.
    seed
        What the seeds of run i follow from, together with i.
    present_only
        Whether only architectures of a partial build were proposed.
    runs
        The runs.
    """

    bench: Benchmark
    method: str
    dataset: str
    protocol: Protocol
    seed: int
    present_only: bool
    runs: tuple[Run, ...]
    _scores: dict[tuple[str, int], float] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def score(self, rule: str | None = None) -> Score:
        """Validation and test accuracy of the best architecture at the budget, over the runs.

        Parameters
        ----------
        rule
            ``"nearest"`` (NATS-Bench's interpolation) or ``"last"`` (the best architecture when
            the budget ended); None is the rule of the benchmark's paper.
        """
        read = _rule(rule or self.protocol.rule)
        return Score(*(summary(self._at_budget(role, read)) for role in ("valid_acc", "test_acc")))

    def regret(self, points: int = 100) -> RegretCurve:
        """Test regret over time, at equally spaced points of the clock (two or more)."""
        start = max(run.elapsed_s[0] for run in self.runs)
        end = max(self.protocol.time_budget_s, start)
        times = [start + (end - start) * step / (points - 1) for step in range(points - 1)]
        times.append(end)
        curves = [
            [self.best_test_acc_pct - score for score in self._trace(run, "test_acc", times)]
            for run in self.runs
        ]
        columns = list(zip(*curves, strict=True))
        summaries = [summary(column) for column in columns]
        return RegretCurve(
            tuple(times),
            tuple(point.mean for point in summaries),
            tuple(point.sd for point in summaries),
            tuple(_median(column) for column in columns),
            self.best_test_acc_pct,
        )

    @cached_property
    def best_test_acc_pct(self) -> float:
        """The best mean test accuracy in the build, at the full schedule."""
        (best,) = self.bench.best(
            dataset=self.dataset,
            select="test_acc",
            report=None,
            num_epochs=self.protocol.full_epochs,
        )
        return float(best.selected)

    def to_dict(self) -> dict[str, Any]:
        """Settings, scores, and every run's end, as plain values."""
        score = self.score()
        return {
            "benchmark": self.bench.name,
            "version": self.bench.version,
            "synthetic": self.bench.synthetic,
            "method": self.method,
            "dataset": self.dataset,
            **self.protocol._asdict(),
            "seed": self.seed,
            "present_only": self.present_only,
            "runs": len(self.runs),
            "evaluations_mean": sum(map(len, self.runs)) / len(self.runs),
            "valid_acc_pct": score.valid._asdict(),
            "test_acc_pct": score.test._asdict(),
            "best_test_acc_pct": self.best_test_acc_pct,
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per evaluation of every run, with the best architecture so far."""
        import pandas as pd

        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "run": run.index,
                        "elapsed_s": run.elapsed_s,
                        "valid_acc_pct": run.values,
                        "arch_id": run.arch_ids,
                        "num_epochs": run.num_epochs,
                        "epoch": run.epochs,
                        "best_arch_id": run.best_so_far(),
                    }
                )
                for run in self.runs
            ],
            ignore_index=True,
        )

    def __repr__(self) -> str:
        synthetic = ", SYNTHETIC" if self.bench.synthetic else ""
        part = ", partial build" if self.present_only else ""
        return (
            f"Study({self.method} on {self.bench.name} {self.bench.version}{synthetic}{part}, "
            f"{self.dataset}, {len(self.runs)} runs of {self.protocol.time_budget_s:g} s)"
        )

    # -----------------------------------------------------------------------------------------

    def _at_budget(self, role: str, read: Callable[..., float]) -> list[float]:
        return [
            read(
                run.elapsed_s,
                _Lazy(run.best_so_far(), lambda arch_id: self._full(role, arch_id)),
                self.protocol.time_budget_s,
            )
            for run in self.runs
        ]

    def _trace(self, run: Run, role: str, times: Sequence[float]) -> list[float]:
        best = run.best_so_far()
        return [self._full(role, best[bisect_right(run.elapsed_s, time) - 1]) for time in times]

    def _full(self, role: str, arch_id: int) -> float:
        """Mean over seeds at the full schedule."""
        key = (role, arch_id)
        if key not in self._scores:
            self._scores[key] = float(
                self.bench.value(
                    arch_id, role, dataset=self.dataset, num_epochs=self.protocol.full_epochs
                )
            )
        return self._scores[key]


class _Lazy(Sequence[float]):
    """Scores of architectures, read when they are asked for: a rule needs two of hundreds."""

    def __init__(self, arch_ids: Sequence[int], score: Callable[[int], float]) -> None:
        self._arch_ids, self._score = arch_ids, score

    def __len__(self) -> int:
        return len(self._arch_ids)

    def __getitem__(self, position: Any) -> Any:
        return self._score(self._arch_ids[position])


def _rule(name: str) -> Callable[..., float]:
    if name not in RULES:
        raise QueryError(
            "There is no such rule to read a score at the budget.",
            expected=", ".join(RULES),
            found=repr(name),
        )
    return RULES[name]


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
