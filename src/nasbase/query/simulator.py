"""The clock of a simulated search: what it would have seen, and what it would have cost.

    clock = bench.simulator("cifar10", num_epochs=12, time_budget_s=20_000, seed=0)
    seen = clock.evaluate("|nor_conv_3x3~0|+|...|")   # seen.value, seen.time_s, seen.elapsed_s
    more = clock.resume(seen, at_epoch=...)           # the same training, continued

Every evaluation draws one of the runs that were really trained, as nats_bench's ``is_random``
does, from a generator of the clock's own. No test value can be read through it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from math import inf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from nasbase.errors import NasbaseError, QueryError
from nasbase.query.meter import Meter, Reading, checked_run
from nasbase.query.vocabulary import plain, whole

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from nasbase.query.handle import Benchmark


class BudgetExhausted(NasbaseError):  # noqa: N818 - the end of a search is no error
    """The time budget of a simulated search is spent; what was seen stands in the history."""


class Evaluation(NamedTuple):
    """One evaluation of an architecture.

    Attributes
    ----------
    arch_id
        The architecture.
    value
        Validation accuracy in percent.
    time_s
        Seconds that the evaluation cost: training (for a resumed one, the rest of it) and one
        validation pass where the benchmark's papers charge it.
    elapsed_s
        Seconds on the clock after it. It may pass the time budget: the evaluation that crosses
        the budget is the last one, as in upstream's search loops.
    train_time_s, eval_time_s
        The two parts of `time_s`.
    dataset, split
        Where the value was read: for cifar10, ``cifar10-valid`` and ``x_valid``.
    num_epochs, epoch
        Schedule, and the epoch of it at which the training stopped.
    run
        The run that was drawn; None for the mean over all runs.
    resumed_at
        Epoch from which a training was continued.
    synthetic
        Whether the numbers are made up.
    """

    arch_id: int
    value: float
    time_s: float
    elapsed_s: float
    train_time_s: float
    eval_time_s: float
    dataset: str
    split: str
    num_epochs: int
    epoch: int
    run: int | None
    resumed_at: int | None = None
    synthetic: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return self._asdict()

    def __repr__(self) -> str:
        run = "mean of runs" if self.run is None else f"run {self.run}"
        mark = ", SYNTHETIC" if self.synthetic else ""
        return (
            f"Evaluation(arch_id={self.arch_id}, value={self.value:.4f} % [{self.dataset} "
            f"{self.split}], {run}, epoch {self.epoch} of {self.num_epochs}, "
            f"time_s={self.time_s:.2f}, elapsed_s={self.elapsed_s:.2f}{mark})"
        )


class History(Sequence[Evaluation]):
    """The evaluations of a clock, in order."""

    def __init__(self, evaluations: Sequence[Evaluation] = ()) -> None:
        self._evaluations = tuple(evaluations)

    def __len__(self) -> int:
        return len(self._evaluations)

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._evaluations)

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> Evaluation | History:
        if isinstance(index, slice):
            return History(self._evaluations[index])
        return self._evaluations[index]

    def best(self) -> Evaluation:
        """The first of the evaluations with the highest value; NaN is the lowest.

        Raises
        ------
        QueryError
            If nothing was evaluated.
        """
        if not self._evaluations:
            raise QueryError("Nothing was evaluated yet.")
        return max(self._evaluations, key=lambda one: -inf if isnan(one.value) else one.value)

    def to_dict(self) -> list[dict[str, Any]]:
        """One dictionary per evaluation."""
        return [evaluation.to_dict() for evaluation in self._evaluations]

    def to_pandas(self) -> pd.DataFrame:
        """One row per evaluation."""
        import pandas as pd

        return pd.DataFrame(self.to_dict(), columns=Evaluation._fields)

    def to_csv(self, path: str | Path) -> None:
        """Write one line per evaluation; floats as Python spells them, so that they come back."""
        import csv

        with open(path, "w", newline="") as file:  # noqa: PTH123 - any path-like thing
            writer = csv.DictWriter(file, Evaluation._fields)
            writer.writeheader()
            writer.writerows(self.to_dict())

    def __repr__(self) -> str:
        if not self._evaluations:
            return "History(empty)"
        last = self._evaluations[-1]
        return f"History({len(self)} evaluations, {last.elapsed_s:.2f} s, best {self.best()!r})"


def _checked_budget(seconds: float | None) -> float | None:
    """A budget that a search can spend: with NaN it would never end."""
    seconds = plain(seconds)
    if seconds is None or (isinstance(seconds, (int, float)) and not isnan(seconds)):
        return seconds
    raise QueryError(
        "The time budget is no number of seconds.",
        expected="a number, or None for no budget",
        found=repr(seconds)[:200],
    )


class Simulator:
    """A clock that evaluates architectures by looking them up and charges what that cost.

    Training and validation time are charged as the benchmark's papers do
    (see `nasbase.query.meter`).

    Parameters
    ----------
    bench
        An open benchmark.
    dataset
        Data set as the papers name it; cifar10 is validated on ``cifar10-valid``.
    num_epochs, hp
        Schedule of the evaluations, unless `evaluate` is told another; ``hp`` is upstream's name
        of it (``"12"``, ``"200"``).
    time_budget_s
        Seconds after which `evaluate` raises `BudgetExhausted`; None never does.
    seed
        Seed of the clock's own generator, which draws the runs; None draws a seed, too.
    run
        ``"random"`` draws one run per evaluation, uniformly; ``"mean"`` takes the mean of value
        and cost over all runs; a number takes that run.
    fallback
        ``"ori_test"`` reads **test data** where x_valid was not released (200-epoch cifar100 and
        ImageNet16-120 before the last epoch), as nats_bench does; None refuses.

    Attributes
    ----------
    dataset, split
        What the values are read from.
    elapsed_s
        Seconds spent.
    history
        All evaluations.

    Raises
    ------
    QueryError
        If the benchmark has no validation split (nds), or a name does not exist.
    """

    def __init__(
        self,
        bench: Benchmark,
        dataset: str,
        *,
        num_epochs: int | None = None,
        hp: object = None,
        time_budget_s: float | None = None,
        seed: int | None = None,
        run: int | str = "random",
        fallback: str | None = None,
    ) -> None:
        self._bench = bench
        self._meter = Meter(bench, dataset, fallback)
        self._asked = dataset
        self._run = checked_run(run)
        self._evaluations: list[Evaluation] = []
        self.num_epochs = self._meter.schedule(num_epochs, hp)
        self.time_budget_s = _checked_budget(time_budget_s)
        self.seed = random.SystemRandom().getrandbits(63) if seed is None else whole(seed, "seed")
        self._rng = random.Random(self.seed)
        self.dataset, self.split = self._meter.dataset, self._meter.split
        self.elapsed_s = 0.0

    @property
    def history(self) -> History:
        """All evaluations so far, in order."""
        return History(self._evaluations)

    @property
    def exhausted(self) -> bool:
        """Whether the time budget is spent."""
        return self.time_budget_s is not None and self.elapsed_s >= self.time_budget_s

    def evaluate(
        self,
        arch: Any,
        *,
        num_epochs: int | None = None,
        at_epoch: int | None = None,
        run: int | None = None,
        format: str | None = None,  # noqa: A002 - the name that the handle uses
    ) -> Evaluation:
        """Train and validate an architecture.

        Parameters
        ----------
        arch
            The architecture in any encoding.
        num_epochs
            Another schedule than the clock's. Epoch 12 of a 200-epoch run is not the 12-epoch run.
        at_epoch
            Epoch at which the training stops (from 1; nb101: half or full); None is its end.
        run
            The run to take instead of drawing one.
        format
            Encoding of `arch`, where it does not say it by itself.

        Raises
        ------
        BudgetExhausted
            If the time budget was spent before. An evaluation that crosses it is given out whole.
        QueryError
            If the architecture is not in this build, or the value was never released.
        """
        self._check_budget()
        arch_id = self._bench.find(arch, format)
        num_epochs = self.num_epochs if num_epochs is None else self._meter.schedule(num_epochs)
        epoch = whole(num_epochs if at_epoch is None else at_epoch, "at_epoch")
        taken, reading = self._draw(arch_id, num_epochs, epoch, run)
        return self._charge(
            arch_id, reading, reading.train_time_s, (num_epochs, epoch, taken), resumed_at=None
        )

    def resume(self, evaluation: Evaluation, at_epoch: int | None = None) -> Evaluation:
        """Continue the training of an earlier evaluation, paying only for the epochs in between.

        The same run of the same schedule goes on; its validation pass is paid again, for that is
        a new one.

        Parameters
        ----------
        evaluation
            What `evaluate` or `resume` gave out.
        at_epoch
            The later epoch at which to stop; None is the end.

        Raises
        ------
        BudgetExhausted
            If the time budget was spent before.
        QueryError
            If the epoch does not lie after the one already reached.
        """
        self._check_budget()
        num_epochs, run = evaluation.num_epochs, evaluation.run
        epoch = whole(num_epochs if at_epoch is None else at_epoch, "at_epoch")
        if epoch <= evaluation.epoch:
            raise QueryError(
                "A training can only be continued to a later epoch.",
                where=repr(evaluation),
                expected=f"an epoch after {evaluation.epoch}, up to {num_epochs}",
                found=epoch,
            )
        arch_id = evaluation.arch_id
        before = self._read(arch_id, num_epochs, evaluation.epoch, run)
        reading = self._read(arch_id, num_epochs, epoch, run)
        difference = reading.train_time_s - before.train_time_s
        return self._charge(
            arch_id, reading, difference, (num_epochs, epoch, run), resumed_at=evaluation.epoch
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything that `replay` needs, as plain values."""
        return {
            "benchmark": self._bench.name,
            "version": self._bench.version,
            "synthetic": self._bench.synthetic,
            "dataset": self._asked,
            "num_epochs": self.num_epochs,
            "time_budget_s": self.time_budget_s,
            "seed": self.seed,
            "run": self._run,
            "fallback": self._meter.fallback,
            "evaluations": self.history.to_dict(),
        }

    @classmethod
    def replay(cls, bench: Benchmark, log: Mapping[str, Any]) -> Simulator:
        """Repeat a logged search, evaluation by evaluation, with the runs that were drawn.

        Parameters
        ----------
        bench
            The benchmark; it may be another build of it.
        log
            What `to_dict` gave out.

        Raises
        ------
        QueryError
            At the first evaluation that shows or costs anything else.
        """
        settings = ("num_epochs", "time_budget_s", "seed", "fallback")
        clock = cls(bench, log["dataset"], run=log["run"], **{key: log[key] for key in settings})
        for position, logged in enumerate(log["evaluations"]):
            again = clock._repeat(logged)
            if repr(again.to_dict()) != repr(dict(logged)):  # repr: NaN is itself
                raise QueryError(
                    "The log does not repeat on this build.",
                    where=f"evaluation {position}, {bench.name} {bench.version} "
                    f"(logged on {log['version']})",
                    expected=dict(logged),
                    found=again.to_dict(),
                )
        return clock

    def __repr__(self) -> str:
        budget = "no budget" if self.time_budget_s is None else f"of {self.time_budget_s:g} s"
        synthetic = ", SYNTHETIC" if self._bench.synthetic else ""
        return (
            f"Simulator({self._bench.name} {self._bench.version}{synthetic}, values of "
            f"{self.dataset} {self.split}, {self.num_epochs} epochs, {len(self._evaluations)} "
            f"evaluations, {self.elapsed_s:.2f} s, {budget})"
        )

    # -----------------------------------------------------------------------------------------

    def _repeat(self, logged: Mapping[str, Any]) -> Evaluation:
        arch_id, num_epochs, epoch = logged["arch_id"], logged["num_epochs"], logged["epoch"]
        resumed_at = logged["resumed_at"]
        self._check_budget()
        reading = self._read(arch_id, num_epochs, epoch, logged["run"])
        train = reading.train_time_s
        if resumed_at is not None:
            train -= self._read(arch_id, num_epochs, resumed_at, logged["run"]).train_time_s
        return self._charge(
            arch_id, reading, train, (num_epochs, epoch, logged["run"]), resumed_at=resumed_at
        )

    def _check_budget(self) -> None:
        if self.exhausted:
            raise BudgetExhausted(
                "The time budget is spent.",
                expected=f"less than {self.time_budget_s:g} s",
                found=f"{self.elapsed_s:.2f} s after {len(self._evaluations)} evaluations",
            )

    def _draw(
        self, arch_id: int, num_epochs: int, epoch: int, run: int | None
    ) -> tuple[int | None, Reading]:
        taken: int | None
        if run is not None:
            taken = run
        elif self._run == "random":
            taken = self._rng.choice(self._meter.runs(arch_id, num_epochs))
        else:
            taken = None if self._run == "mean" else int(self._run)
        return taken, self._read(arch_id, num_epochs, epoch, taken)

    def _read(self, arch_id: int, num_epochs: int, epoch: int, run: int | None) -> Reading:
        if run is None:
            return self._meter.mean(arch_id, num_epochs, epoch)
        return self._meter.read(arch_id, num_epochs, epoch, run)

    def _charge(
        self,
        arch_id: int,
        reading: Reading,
        train_time_s: float,
        training: tuple[int, int, int | None],
        *,
        resumed_at: int | None,
    ) -> Evaluation:
        num_epochs, epoch, run = training
        time_s = train_time_s + reading.eval_time_s
        self.elapsed_s += time_s
        evaluation = Evaluation(
            arch_id=arch_id,
            value=reading.value,
            time_s=time_s,
            elapsed_s=self.elapsed_s,
            train_time_s=train_time_s,
            eval_time_s=reading.eval_time_s,
            dataset=self.dataset,
            split=reading.split,
            num_epochs=num_epochs,
            epoch=epoch,
            run=run,
            resumed_at=resumed_at,
            synthetic=self._bench.synthetic,
        )
        self._evaluations.append(evaluation)
        return evaluation
