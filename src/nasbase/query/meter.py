"""What one evaluation of an architecture shows and what it costs, by the papers' rules.

* NAS-Bench-201 and NATS-Bench charge the training time of epochs 1 to e and one pass over the
  validation set (``simulate_train_eval`` of nats_bench; its pass is the mean of the passes so far).
* NAS-Bench-101 charges the training time only: its evaluations stand inside the recorded time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

from nasbase.errors import QueryError

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

_total: Callable[[Sequence[Any]], float] = (
    sum if sys.version_info < (3, 12) else partial(reduce, add)
)
"""Adds from the first epoch to the last, one addition after the other.

That is what nats_bench does on the Pythons that it was published for, and its numbers to the last
bit; from Python 3.12 on, ``sum`` compensates its rounding."""

FALLBACK = "ori_test"
"""The split that nats_bench falls back to where x_valid was not released: it is test data."""


class Reading(NamedTuple):
    """Validation accuracy in percent with the split it stands for, and the seconds it costs."""

    value: float
    split: str
    train_time_s: float
    eval_time_s: float


class Meter:
    """Reads evaluations of one data set; it knows no series but validation and times.

    Parameters
    ----------
    bench
        An open benchmark.
    dataset
        Data set as papers name it: ``cifar10`` is validated on ``cifar10-valid``.
    fallback
        ``"ori_test"`` reads that split where x_valid was not released, as nats_bench does. It is
        **test data**: a search that sees it must not be scored by it. None refuses.

    Attributes
    ----------
    dataset, split
        What the answers are read from.
    """

    def __init__(self, bench: Benchmark, dataset: str, fallback: str | None = None) -> None:
        answered = bench.split_of("valid_acc", dataset)
        self.dataset: str = answered.dataset
        self.split: str = answered.split or ""
        self.fallback = fallback
        self._bench = bench
        self._series = answered.series
        self._pass = f"{answered.split}_time_s"
        self._cumulative = bench.name == "nb101"
        if fallback not in (None, FALLBACK) or (fallback and self._cumulative):
            raise QueryError(
                "There is no such split to fall back to.",
                where=f"{bench.name}, {dataset}",
                expected="None" if self._cumulative else f"None or {FALLBACK!r}",
                found=repr(fallback),
            )

    def schedule(self, num_epochs: int | None, hp: object = None) -> int:
        """A schedule that the data set was trained with, by its length or upstream's name."""
        return self._bench.schedule(self.dataset, num_epochs, hp)

    @property
    def longest(self) -> int:
        """The longest schedule that the data set was trained with."""
        return max(self._bench.trainings[self.dataset])

    def runs(self, arch_id: int, num_epochs: int) -> tuple[int, ...]:
        """Runs of an architecture under a schedule."""
        return self._bench.runs(arch_id, self.dataset, num_epochs)

    def released(self, arch_id: int, num_epochs: int) -> tuple[int, ...]:
        """Epochs of a schedule at which the first run of an architecture was validated."""
        run = self.runs(arch_id, num_epochs)[0]
        values = self._read(arch_id, num_epochs, run, self._series)
        return tuple(epoch for epoch, value in enumerate(values, 1) if value is not None)

    def read(self, arch_id: int, num_epochs: int, epoch: int, run: int) -> Reading:
        """Value and cost of training a network for `epoch` epochs of a schedule.

        Raises
        ------
        QueryError
            If the epoch is not on the schedule, or no value was released for it.
        """
        value, split = self._value(arch_id, num_epochs, epoch, run)
        if self._cumulative:
            time = self._read(arch_id, num_epochs, run, "elapsed_train_time_s")[epoch - 1]
            return Reading(value, split, self._time(time, "elapsed_train_time_s"), 0.0)
        train = self._read(arch_id, num_epochs, run, "train_time_s")
        passes = self._read(arch_id, num_epochs, run, self._pass)
        # nats_bench takes the pass of its fallback from the end of the training.
        last = epoch if split == self.split else num_epochs
        return Reading(
            value,
            split,
            self._total(train, epoch, "train_time_s"),
            self._total(passes, last, self._pass) / last,
        )

    def mean(self, arch_id: int, num_epochs: int, epoch: int) -> Reading:
        """Mean of value and cost over all runs of an architecture under a schedule."""
        runs = self.runs(arch_id, num_epochs)
        readings = [self.read(arch_id, num_epochs, epoch, run) for run in runs]
        splits = {reading.split for reading in readings}
        if len(splits) > 1:
            raise QueryError(
                "The runs have their values on different splits, which have no common mean.",
                where=f"{self._bench.name}, architecture {arch_id}, {num_epochs} epochs",
                found=", ".join(sorted(splits)),
                todo="Take the runs one by one.",
            )
        n = len(readings)
        return Reading(
            sum(reading.value for reading in readings) / n,
            readings[0].split,
            sum(reading.train_time_s for reading in readings) / n,
            sum(reading.eval_time_s for reading in readings) / n,
        )

    def _value(self, arch_id: int, num_epochs: int, epoch: int, run: int) -> tuple[float, str]:
        if not 1 <= epoch <= num_epochs:
            raise QueryError(
                "The training does not stop at that epoch.",
                where=f"{self._bench.name}, {self.dataset}, {num_epochs}-epoch schedule",
                expected=f"an epoch from 1 to {num_epochs}",
                found=epoch,
            )
        values = self._read(arch_id, num_epochs, run, self._series)
        value = values[epoch - 1]
        if value is not None:
            return value, self.split
        if self.fallback is not None:
            series = self._series.replace(self.split, self.fallback, 1)
            value = self._read(arch_id, num_epochs, run, series)[epoch - 1]
            if value is not None:
                return value, self.fallback
        raise QueryError(
            f"No {self._series} was released at epoch {epoch} of this training.",
            where=f"{self._bench.name}, architecture {arch_id}, {self.dataset}, "
            f"{num_epochs} epochs, run {run}",
            expected=f"one of the epochs {_released(values)}",
            found=epoch,
            todo="Stop at one of these epochs, or train under another schedule."
            if self._cumulative or self.fallback
            else "Stop at one of these epochs, or train under another schedule; "
            f'fallback="{FALLBACK}" reads test data instead, as nats_bench does.',
        )

    def _read(self, arch_id: int, num_epochs: int, run: int, series: str) -> Sequence[float | None]:
        return self._bench.series_values(arch_id, self.dataset, num_epochs, run, series)

    def _total(self, times: Sequence[float | None], epochs: int, series: str) -> float:
        try:
            return _total(times[:epochs])
        except TypeError:
            return self._time(None, series)

    def _time(self, time: float | None, series: str) -> float:
        if time is None:
            raise QueryError(
                f"No {series} was released for this training, so that it cannot be charged.",
                where=f"{self._bench.name} {self._bench.release}, {self.dataset}",
                expected="a time for every epoch up to the one asked for",
                found="epochs without a time",
                todo="Use a release or a schedule that has the times.",
            )
        return time


def _released(values: Sequence[float | None]) -> str:
    """Epochs that have a value, neighbours drawn together: ``1 to 3, 7``."""
    ranges: list[list[int]] = []
    for epoch, value in enumerate(values, 1):
        if value is None:
            continue
        if ranges and ranges[-1][1] == epoch - 1:
            ranges[-1][1] = epoch
        else:
            ranges.append([epoch, epoch])
    spelt = [str(low) if low == high else f"{low} to {high}" for low, high in ranges]
    return ", ".join(spelt) or "none: this split was never evaluated"


def checked_run(run: int | str) -> int | str:
    """A way to choose the run of an evaluation: ``random``, ``mean`` or the number of a run.

    Raises
    ------
    QueryError
        If it is none of them.
    """
    if run in ("random", "mean") or (isinstance(run, int) and not isinstance(run, bool)):
        return run
    raise QueryError(
        "That is no way to choose a run.",
        expected="'random', 'mean', or the number of a run",
        found=repr(run),
    )
