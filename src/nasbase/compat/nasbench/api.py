"""Google's ``nasbench.api``: query NAS-Bench-101 by cell, with budget counters.

The front page's example runs with one line changed::

    from nasbase.compat.nasbench import api

    nasbench = api.NASBench("/path/to/nasbench_full.tfrecord")
    data = nasbench.query(api.ModelSpec(matrix=[[0, 1], [0, 0]], ops=["input", "output"]))

Differences from upstream, all deliberate:

* The file is not read: the installed build that was made from it answers
  (`nasbase.compat.nasbench.release.open_release`), and nothing is printed.
* A specification of more than 7 vertices is outside the domain, as the documentation says;
  upstream's check raises `TypeError` there.
* What a look-up returns belongs to the caller: changing it changes no later answer.
* `NASBench.evaluate`, which trains, is not there.
"""

from __future__ import annotations

import random
from os import PathLike
from typing import Any, NoReturn

import numpy as np

from nasbase.compat.nasbench.lib import config
from nasbase.compat.nasbench.lib.model_spec import ModelSpec
from nasbase.compat.nasbench.release import open_release
from nasbase.compat.nasbench.statistics import (
    ComputedStatistics,
    FixedStat,
    FixedStatistics,
    Repeat,
)

__all__ = ["ModelSpec", "NASBench", "OutOfDomainError"]


class OutOfDomainError(Exception):
    """The cell or the number of epochs is outside the space of the benchmark."""


class NASBench:
    """NAS-Bench-101, as google's API answers for it.

    Parameters
    ----------
    dataset_file
        Path of upstream's ``.tfrecord``, folder of a build, or None for the newest build; see
        `nasbase.compat.nasbench.release.open_release`.
    seed
        Seed of the module-level `random`, from which repeats are drawn. It is seeded also with
        None, as upstream.

    Attributes
    ----------
    config
        Upstream's flags; ``module_vertices``, ``max_edges``, ``available_ops`` and
        ``num_repeats`` are what questions are checked against.
    fixed_statistics, computed_statistics
        Hash -> what upstream keeps for it, read when asked.
    valid_epochs
        Schedules of the build.
    training_time_spent, total_epochs_spent
        Seconds and epochs of all queries since the counters were reset.
    history
        An empty dict, as upstream.

    Raises
    ------
    ArtifactError
        If no installed build was made from the file.
    """

    def __init__(self, dataset_file: str | PathLike[str] | None, seed: Any = None) -> None:
        self.config = config.build_config()
        random.seed(seed)
        self._bench = open_release(dataset_file)
        self.fixed_statistics = FixedStatistics(self._bench)
        self.computed_statistics = ComputedStatistics(self._bench)
        self.valid_epochs = {*self._bench.schedules}
        self.history: dict[Any, Any] = {}
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def __repr__(self) -> str:
        return f"<NASBench on {self._bench.label}: {len(self.fixed_statistics)} cells>"

    def query(
        self, model_spec: ModelSpec, epochs: int = 108, stop_halfway: bool = False
    ) -> dict[str, Any]:
        """One of the trainings of a cell; adds to the budget counters.

        Parameters
        ----------
        epochs
            Schedule, one of ``valid_epochs``.
        stop_halfway
            Answer, and count, only the first half of the training.

        Returns
        -------
        dict
            ``module_adjacency`` (int8 array (V, V)), ``module_operations`` (both as released,
            which may be another order of the same cell), ``trainable_parameters``,
            ``training_time`` (s), ``train_accuracy``, ``validation_accuracy`` and
            ``test_accuracy`` (fractions).

        Raises
        ------
        OutOfDomainError
            If the cell or the schedule is outside the space.
        KeyError
            If the build does not hold the cell, or not trained so (a partial release).
        """
        if epochs not in self.valid_epochs:
            raise OutOfDomainError(f"invalid number of epochs, must be one of {self.valid_epochs}")
        self._check_spec(model_spec)
        module_hash = self._hash_spec(model_spec)
        data = self.fixed_statistics[module_hash]
        drawn = random.randint(0, self.config["num_repeats"] - 1)  # as upstream: once, and here
        repeat = self.computed_statistics.of_schedule(module_hash, epochs)[drawn]
        point = "halfway" if stop_halfway else "final"
        for metric in ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy"):
            data[metric] = repeat[f"{point}_{metric}"]
        self.training_time_spent += data["training_time"]
        self.total_epochs_spent += epochs // 2 if stop_halfway else epochs
        return data

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Whether a cell is within the space; touches no counter."""
        try:
            self._check_spec(model_spec)
        except OutOfDomainError:
            return False
        return True

    def get_budget_counters(self) -> tuple[float, int]:
        """Seconds and epochs of all queries since the last reset."""
        return self.training_time_spent, self.total_epochs_spent

    def reset_budget_counters(self) -> None:
        """Set both counters to zero."""
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def evaluate(self, model_spec: ModelSpec, model_dir: str) -> NoReturn:
        """Upstream trains the cell; nasbase does not train.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "nasbase answers from recorded trainings and does not train: evaluate() needs "
            "google's nasbench and TensorFlow 1."
        )

    def hash_iterator(self) -> Any:
        """All hashes, in the order in which the release names them first."""
        return self.fixed_statistics.keys()

    def get_metrics_from_hash(self, module_hash: str) -> tuple[FixedStat, dict[int, list[Repeat]]]:
        """All trainings of a cell, by its hash; touches no counter.

        Returns
        -------
        tuple
            Fixed statistics, and epochs -> repeats -> metrics.

        Raises
        ------
        KeyError
            If the build does not hold the cell.
        """
        return self.fixed_statistics[module_hash], self.computed_statistics[module_hash]

    def get_metrics_from_spec(
        self, model_spec: ModelSpec
    ) -> tuple[FixedStat, dict[int, list[Repeat]]]:
        """All trainings of a cell (`get_metrics_from_hash`).

        Raises
        ------
        OutOfDomainError
            If the cell is outside the space.
        KeyError
            If the build does not hold it.
        """
        self._check_spec(model_spec)
        return self.get_metrics_from_hash(self._hash_spec(model_spec))

    def _check_spec(self, model_spec: ModelSpec) -> None:
        """Upstream's checks in upstream's order, with its words."""
        if not model_spec.valid_spec:
            raise OutOfDomainError("invalid spec, provided graph is disconnected.")
        vertices, max_vertices = len(model_spec.ops), self.config["module_vertices"]
        if vertices > max_vertices:
            raise OutOfDomainError(
                f"too many vertices, got {vertices} (max vertices = {max_vertices})"
            )
        edges, max_edges = np.sum(model_spec.matrix), self.config["max_edges"]
        if edges > max_edges:
            raise OutOfDomainError(f"too many edges, got {int(edges)} (max edges = {max_edges})")
        if model_spec.ops[0] != "input":
            raise OutOfDomainError("first operation should be 'input'")
        if model_spec.ops[-1] != "output":
            raise OutOfDomainError("last operation should be 'output'")
        available = self.config["available_ops"]
        for op in model_spec.ops[1:-1]:
            if op not in available:
                raise OutOfDomainError(f"unsupported op {op} (available ops = {available})")

    def _hash_spec(self, model_spec: ModelSpec) -> str:
        return model_spec.hash_spec(self.config["available_ops"])
