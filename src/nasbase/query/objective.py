"""A benchmark as an objective function in the style of HPOBench, for optimisers of any kind.

    objective = bench.objective("cifar10", seed=0)
    objective.objective_function(configuration, {"num_epochs": 200, "epoch": 50})
    -> {"function_value": 100 - validation accuracy, "cost": seconds, "info": {...}}

A fidelity is the pair of a schedule and an epoch on it, for epoch 12 of a 200-epoch training is
not the end of a 12-epoch training.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nasbase.errors import QueryError, SpaceError
from nasbase.query.meter import Meter, checked_run
from nasbase.query.vocabulary import whole

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

INVALID_VALUE = 100.0
"""Loss of a configuration that is no architecture of the space, as in the experiments of the
NAS-Bench-101 paper: nothing is right, and nothing is paid."""


class Objective:
    """The loss ``100 - validation accuracy`` (percent) of architectures, and its cost in seconds.

    Parameters
    ----------
    bench
        An open benchmark.
    dataset
        Data set as the papers name it; cifar10 is validated on ``cifar10-valid``.
    num_epochs, hp
        Schedule where the fidelity names none, by its length or by upstream's name of it; without
        both the longest.
    seed
        Seed of the objective's own generator, which draws the runs.
    fallback
        See `nasbase.query.simulator.Simulator`: ``"ori_test"`` reads test data where no
        validation accuracy was released.
    """

    def __init__(
        self,
        bench: Benchmark,
        dataset: str,
        *,
        num_epochs: int | None = None,
        hp: object = None,
        seed: int | None = None,
        fallback: str | None = None,
    ) -> None:
        self._bench = bench
        self._meter = Meter(bench, dataset, fallback)
        self._rng = random.Random(whole(seed, "seed"))
        self.dataset = dataset
        if num_epochs is None and hp is None:
            num_epochs = self._meter.longest
        self.num_epochs = self._meter.schedule(num_epochs, hp)

    def objective_function(
        self,
        configuration: Any,
        fidelity: Mapping[str, int] | None = None,
        rng: Any = None,
        *,
        run: int | str = "random",
    ) -> dict[str, Any]:
        """Validate a configuration.

        Parameters
        ----------
        configuration
            An architecture in any encoding, or a ConfigSpace configuration (or dictionary) of
            `get_configuration_space`.
        fidelity
            ``{"num_epochs": schedule, "epoch": epoch on it}``; either may be left out.
        rng
            Draws the run: None (the objective's own generator), a seed, a ``random.Random``, or
            a generator of numpy.
        run
            ``"random"``, ``"mean"`` over all runs, or the number of a run.

        Returns
        -------
        dict
            ``function_value``: 100 minus the accuracy in percent. ``cost``: seconds. ``info``:
            ``status`` (``ok``, or ``invalid`` for what is no architecture of the space: value 100
            at no cost), ``arch_id``, ``dataset``, ``split``, ``run``, ``valid_acc_pct``,
            ``train_time_s``, ``eval_time_s``, ``fidelity``, ``version``, ``synthetic``.

        Raises
        ------
        QueryError
            If the architecture is not in this build, the fidelity does not exist, or no
            validation accuracy was released for it.
        """
        checked_run(run)
        num_epochs, epoch = self._fidelity(fidelity)
        info: dict[str, Any] = {
            "status": "invalid",
            "dataset": self._meter.dataset,
            "split": self._meter.split,
            "fidelity": {"num_epochs": num_epochs, "epoch": epoch},
            "version": self._bench.version,
            "synthetic": self._bench.synthetic,
        }
        arch_id = self._arch_id(configuration, info)
        if arch_id is None:
            return {"function_value": INVALID_VALUE, "cost": 0.0, "info": info}
        taken: Any
        if run == "mean":
            taken, reading = None, self._meter.mean(arch_id, num_epochs, epoch)
        else:
            taken = self._draw(arch_id, num_epochs, rng) if run == "random" else run
            reading = self._meter.read(arch_id, num_epochs, epoch, taken)
        info |= {
            "status": "ok",
            "arch_id": arch_id,
            "split": reading.split,
            "run": taken,
            "valid_acc_pct": reading.value,
            "train_time_s": reading.train_time_s,
            "eval_time_s": reading.eval_time_s,
        }
        cost = reading.train_time_s + reading.eval_time_s
        return {"function_value": 100.0 - reading.value, "cost": cost, "info": info}

    def objective_function_test(
        self, configuration: Any, fidelity: Mapping[str, int] | None = None, rng: Any = None
    ) -> dict[str, Any]:
        """Score a configuration on test data: trained to the end, the mean over all runs.

        Parameters
        ----------
        configuration
            As for `objective_function`.
        fidelity
            A schedule (None is the longest); it cannot stop before the end.
        rng
            Taken for compatibility; nothing is drawn.

        Returns
        -------
        dict
            As of `objective_function`, with ``test_acc_pct`` and ``n``, the number of runs.
            ``cost`` is the mean training time.

        Raises
        ------
        QueryError
            As for `objective_function`.
        """
        del rng
        default = {"num_epochs": self._meter.longest}
        num_epochs, epoch = self._fidelity(default | dict(fidelity or {}))
        if epoch != num_epochs:
            raise QueryError(
                "Test accuracy is reported at the end of the training.",
                expected=f"epoch {num_epochs}",
                found=f"epoch {epoch}",
            )
        what = self._bench.split_of("test_acc", self.dataset)
        info: dict[str, Any] = {
            "status": "invalid",
            "dataset": what.dataset,
            "split": what.split,
            "fidelity": {"num_epochs": num_epochs, "epoch": epoch},
            "version": self._bench.version,
            "synthetic": self._bench.synthetic,
        }
        arch_id = self._arch_id(configuration, info)
        if arch_id is None:
            return {"function_value": INVALID_VALUE, "cost": 0.0, "info": info}
        mean = self._bench.value(arch_id, "test_acc", dataset=self.dataset, num_epochs=num_epochs)
        cost = self._bench.value(
            arch_id, "train_time_total_s", dataset=what.dataset, num_epochs=num_epochs
        )
        info |= {
            "status": "ok",
            "arch_id": arch_id,
            "test_acc_pct": float(mean),
            "n": mean.n,
            "train_time_s": float(cost),
        }
        return {"function_value": 100.0 - float(mean), "cost": float(cost), "info": info}

    def get_configuration_space(self, seed: int | None = None) -> Any:
        """The space as a ``ConfigSpace.ConfigurationSpace`` (the package is optional)."""
        return self._bench.space.config_space(seed)

    def get_fidelity_space(self, seed: int | None = None) -> Any:
        """Schedules and epochs as a ``ConfigSpace.ConfigurationSpace`` (the package is optional).

        Its points are not all fidelities: the epoch must not lie beyond the schedule
        (`fidelities` lists what exists).
        """
        try:
            package = import_module("ConfigSpace")
        except ImportError as error:
            raise QueryError(
                "The fidelity space needs the package ConfigSpace.",
                expected="ConfigSpace 1.2 or later",
                found="it is not installed",
                todo="Install it (`pip install ConfigSpace`), or use `fidelities()`.",
            ) from error
        schedules = sorted(self._bench.trainings[self._meter.dataset])
        epochs = sorted({epoch for _, epoch in self.fidelities()})
        space = package.ConfigurationSpace(seed=seed)
        space.add(
            package.OrdinalHyperparameter("num_epochs", schedules, default_value=self.num_epochs),
            package.OrdinalHyperparameter("epoch", epochs, default_value=self.num_epochs),
        )
        return space

    def fidelities(self) -> tuple[tuple[int, int], ...]:
        """The pairs (num_epochs, epoch) that were validated, as released for one architecture."""
        arch_id = next(iter(self._bench)).arch_id
        return tuple(
            (num_epochs, epoch)
            for num_epochs in self._bench.trainings[self._meter.dataset]
            for epoch in self._meter.released(arch_id, num_epochs)
        )

    def __repr__(self) -> str:
        synthetic = ", SYNTHETIC" if self._bench.synthetic else ""
        return (
            f"Objective({self._bench.name} {self._bench.version}{synthetic}, 100 - accuracy on "
            f"{self._meter.dataset} {self._meter.split}, {self.num_epochs} epochs by default)"
        )

    # -----------------------------------------------------------------------------------------

    def _fidelity(self, fidelity: Mapping[str, int] | None) -> tuple[int, int]:
        given = dict(fidelity or {})
        num_epochs = self._meter.schedule(given.pop("num_epochs", self.num_epochs))
        epoch = whole(given.pop("epoch", num_epochs), "epoch")
        if given:
            raise QueryError(
                "A fidelity is a schedule and an epoch on it.",
                expected='{"num_epochs": schedule, "epoch": epoch}',
                found=", ".join(map(repr, given)),
            )
        return num_epochs, num_epochs if epoch is None else epoch

    def _arch_id(self, configuration: Any, info: dict[str, Any]) -> int | None:
        """The architecture of a configuration; None, with the reason in `info`, if it is none.

        Only nb101's space has configurations that are no architecture. Anywhere else, and for a
        hash, that is a mistake and stays an error.
        """
        try:
            return self._bench.find(configuration)
        except SpaceError as error:
            if self._bench.name != "nb101" or isinstance(configuration, str):
                raise
            info["reason"] = str(error)
            return None

    def _draw(self, arch_id: int, num_epochs: int, rng: Any) -> int:
        runs = self._meter.runs(arch_id, num_epochs)
        return self._generator(rng).choice(runs)

    def _generator(self, rng: Any) -> random.Random:
        if rng is None:
            return self._rng
        if isinstance(rng, random.Random):
            return rng
        if hasattr(rng, "integers"):  # numpy.random.Generator
            return random.Random(int(rng.integers(2**63)))
        if hasattr(rng, "randint"):  # numpy.random.RandomState
            return random.Random(int(rng.randint(2**31)))
        return random.Random(whole(rng, "rng"))
