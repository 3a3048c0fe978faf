"""The handle that `nasbase.open` returns."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nasbase.errors import QueryError
from nasbase.query import vocabulary
from nasbase.query.content import Arch, Content
from nasbase.query.curves import decoded, points_of
from nasbase.query.rows import Architecture, Mean, Means, Trials
from nasbase.query.vocabulary import Answered, unknown
from nasbase.tables.catalogue import tables

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from nasbase.query.analysis import Ecdf, Front, RankCorrelation
    from nasbase.query.filters import Predicate
    from nasbase.query.objective import Objective
    from nasbase.query.ranking import Ranking, Rule
    from nasbase.query.results import Complexity, Curve, Description
    from nasbase.query.simulator import Simulator
    from nasbase.query.table import LazyTable
    from nasbase.query.value import Value
    from nasbase.query.values import Missing, Values


class Benchmark(Content):
    """An installed benchmark, open for questions.

    Handles may be shared by threads, survive a fork, can be pickled (they open their folder again)
    and cost nothing until the first question.

    Attributes
    ----------
    name, release, version, synthetic, partial
        Which build it is; ``version`` names the content of its tables.
    folder
        Where it lies.
    manifest
        Everything that was recorded about the build.
    series
        Names of what was recorded along each training, and their order in a blob.
    subject
        What was trained and is averaged: ``arch_id``; NDS: ``config_id``.
    """

    # ------------------------------------------------------------------ runs

    def trials(
        self,
        arch: Arch,
        *,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        run: int | None = None,
        seed: int | None = None,
        **configuration: Any,
    ) -> Trials:
        """Every run of an architecture, every split as released.

        Parameters
        ----------
        dataset, num_epochs, run, seed
            Only these; ``hp`` is upstream's spelling of ``num_epochs``.
        **configuration
            NDS: ``proposer``, ``generator``, ``base_lr``, ``weight_decay`` or ``config_id``.

        Raises
        ------
        QueryError
            If there is no such run: an answer is never empty.
        """
        if dataset is not None:
            dataset = self.dataset(dataset)
        if num_epochs is not None or hp is not None:
            num_epochs = vocabulary.schedule(self.name, num_epochs, hp)
        arch_id = self._arch_id(arch)
        run, seed = vocabulary.whole(run, "run"), vocabulary.whole(seed, "seed")
        asked = {"dataset": dataset, "num_epochs": num_epochs, "run": run, "seed": seed}
        sql, parameters = self.condition(arch_id, asked, configuration)
        rows = self.database.rows(f"SELECT * FROM trials WHERE {sql} ORDER BY trial_id", parameters)
        if not rows:
            from nasbase.query import explain

            raise explain.no_trial(self, arch_id, {**asked, **configuration})
        return Trials(self.frame("trials"), rows)

    def condition(
        self, arch_id: int, asked: Mapping[str, Any], configuration: Mapping[str, Any]
    ) -> tuple[str, list[Any]]:
        """Condition on rows of one architecture, and its parameters; None asks for nothing."""
        sql, parameters = "arch_id = ?", [arch_id]
        for name, wanted in asked.items():
            if wanted is not None:
                sql += f" AND {name} = ?"
                parameters.append(wanted)
        if configuration:
            more, values = self._configured(configuration)
            sql += f" AND config_id IN (SELECT config_id FROM configurations WHERE {more})"
            parameters += values
        return sql, parameters

    def _configured(self, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """NDS: condition on ``configurations`` and its parameters, from keyword filters."""
        known = ("config_id", *vocabulary.CONFIGURATION) if self.name == "nds" else ()
        for name in given:
            if name not in known:
                raise unknown("filter", name, known, where=self.label)
        wanted = {n: vocabulary.plain(value) for n, value in given.items() if value is not None}
        return " AND ".join(f"{name} = ?" for name in wanted) or "1", list(wanted.values())

    def runs(self, arch_id: int, dataset: str, num_epochs: int) -> tuple[int, ...]:
        """Numbers of the runs of one training."""
        rows = self.database.rows(
            "SELECT run FROM trials WHERE arch_id = ? AND dataset = ? AND num_epochs = ? "
            "ORDER BY trial_id",
            (arch_id, dataset, num_epochs),
        )
        if not rows:
            dataset = self.dataset(dataset)
            asked = {"dataset": dataset, "num_epochs": self.schedule(dataset, num_epochs)}
            from nasbase.query import explain

            raise explain.no_trial(self, arch_id, asked)
        runs = tuple(run for (run,) in rows)
        if self.name == "nds":
            self._one_configuration(arch_id, dataset, num_epochs)
        return runs

    def _one_configuration(self, arch_id: int, dataset: str, num_epochs: int) -> None:
        rows = self._configuration_means(arch_id, dataset, num_epochs, {})
        if len(rows) > 1:
            from nasbase.query import explain

            raise explain.several_configurations(self, arch_id, [row[0] for row in rows])

    def series_values(
        self, arch_id: int, dataset: str, num_epochs: int, run: int, series: str
    ) -> Sequence[float | None]:
        """One series along one run: the values after epochs 1 to ``num_epochs``.

        None stands where upstream released no value. NAS-Bench-101 has values after half and all
        of the epochs (and after epoch 0, which `curve` gives).
        """
        if series not in self.series:
            raise unknown("series", series, [*self.series], where=self.label)
        if self.name in ("nb101", "nds"):
            return self._listed_values(arch_id, dataset, num_epochs, run, series)
        row = self.database.row(
            "SELECT length, data FROM trials JOIN trial_curves USING (trial_id) "
            "WHERE arch_id = ? AND dataset = ? AND num_epochs = ? AND run = ?",
            (arch_id, dataset, num_epochs, run),
        )
        if row is None:
            raise self._no_run(arch_id, dataset, num_epochs, run)
        length, data = row
        values = decoded(self, data, length, series)
        return [None] * length if values is None else values

    def _listed_values(
        self, arch_id: int, dataset: str, num_epochs: int, run: int, series: str
    ) -> Sequence[float | None]:
        rows = self.database.rows(
            "SELECT trial_id FROM trials "
            "WHERE arch_id = ? AND dataset = ? AND num_epochs = ? AND run = ?",
            (arch_id, dataset, num_epochs, run),
        )
        if not rows:
            raise self._no_run(arch_id, dataset, num_epochs, run)
        if len(rows) > 1:
            self._one_configuration(arch_id, dataset, num_epochs)
        values: list[float | None] = [None] * num_epochs
        for epoch, value in zip(*points_of(self, rows[0][0], series), strict=True):
            if epoch:  # nb101's epoch 0 stands before the first one
                values[epoch - 1] = value
        return values

    def _no_run(self, arch_id: int, dataset: str, num_epochs: int, run: int) -> QueryError:
        dataset = self.dataset(dataset)
        asked = {"dataset": dataset, "num_epochs": self.schedule(dataset, num_epochs), "run": run}
        from nasbase.query import explain

        return explain.no_trial(self, arch_id, asked)

    # ------------------------------------------------------------------ means

    def mean(
        self,
        arch: Arch,
        *,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        **configuration: Any,
    ) -> Mean:
        """Means over the runs of one training, with their number and standard deviations.

        Raises
        ------
        QueryError
            If there is no such training, or (NDS) the architecture was trained with several
            hyper-parameters and the question does not say which: different configurations are
            never averaged.
        """
        dataset = self.dataset(dataset)
        num_epochs = self.schedule(dataset, num_epochs, hp)
        arch_id = self._arch_id(arch)
        if self.subject == "arch_id":
            self._configured(configuration)  # refuses what only NDS has
            rows = self.database.rows(
                "SELECT * FROM means WHERE arch_id = ? AND dataset = ? AND num_epochs = ?",
                (arch_id, dataset, num_epochs),
            )
        else:
            rows = self._configuration_means(arch_id, dataset, num_epochs, configuration)
        if not rows:
            asked = {"dataset": dataset, "num_epochs": num_epochs, **configuration}
            from nasbase.query import explain

            raise explain.no_trial(self, arch_id, asked)
        if len(rows) > 1:
            from nasbase.query import explain

            raise explain.several_configurations(self, arch_id, [row[0] for row in rows])
        return Mean(self.frame("means"), rows[0])

    def means(
        self,
        arch: Arch,
        *,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        **configuration: Any,
    ) -> Means:
        """Means of all trainings of an architecture that the filters leave, one row each."""
        arch_id = self._arch_id(arch)
        dataset = None if dataset is None else self.dataset(dataset)
        num_epochs = vocabulary.schedule(self.name, num_epochs, hp)
        asked = {"dataset": dataset, "num_epochs": num_epochs}
        if self.subject == "arch_id":
            sql, parameters = self.condition(arch_id, asked, configuration)
            rows = self.database.rows(f"SELECT * FROM means WHERE {sql}", parameters)
        else:
            rows = self._configuration_means(arch_id, dataset, num_epochs, configuration)
        if not rows:
            from nasbase.query import explain

            raise explain.no_trial(self, arch_id, {**asked, **configuration})
        return Means(self.frame("means"), rows)

    def _configuration_means(
        self,
        arch_id: int,
        dataset: str | None,
        num_epochs: int | None,
        configuration: Mapping[str, Any],
    ) -> list[tuple]:
        sql, parameters = self._configured(configuration)
        return self.database.rows(
            "SELECT means.* FROM configurations JOIN means USING (config_id) "
            f"WHERE arch_id = ? AND configurations.dataset = ifnull(?, configurations.dataset) "
            f"AND configurations.num_epochs = ifnull(?, configurations.num_epochs) AND {sql} "
            "ORDER BY config_id",
            [arch_id, dataset, num_epochs, *parameters],
        )

    # ------------------------------------------------------------------ single numbers

    def value(
        self,
        arch: Arch,
        what: str,
        *,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        at_epoch: int | None = None,
        run: int | None = None,
        seed: int | None = None,
        **configuration: Any,
    ) -> Value:
        """One number of one architecture: the mean over runs, or that of one run.

        Parameters
        ----------
        what
            A role (``valid_acc``, ``test_acc``, ``train_loss``, ...), a split (``x-valid``) or a
            column (``x_test_acc_pct``, ``latency_s``, ``train_time_total_s``, ``params``, ...).
        at_epoch
            The point on the ``num_epochs`` schedule; its end by default. Epoch 12 of a 200-epoch
            run is not the end of a 12-epoch run.
        run, seed
            One run; without them the answer is the mean over all, with ``n`` and ``sd``.

        Returns
        -------
        Value
            A float that says what it is: data set, split, epoch, number of runs, notes.

        Raises
        ------
        QueryError
            If upstream never released the value; the message says which epochs, splits and data
            sets it did release.
        """
        asked = self.dataset(dataset)
        answered = self.split_of(what, asked)
        return self.value_of(
            self._arch_id(arch),
            asked,
            answered,
            num_epochs=self._length(answered, num_epochs, hp),
            at_epoch=at_epoch,
            run=run,
            seed=seed,
            **configuration,
        )

    def value_of(
        self,
        arch_id: int,
        asked: str,
        answered: Answered,
        *,
        num_epochs: int,
        at_epoch: int | None = None,
        run: int | None = None,
        seed: int | None = None,
        **configuration: Any,
    ) -> Value:
        """`value` of words that `split_of` has resolved."""
        from nasbase.query import points

        return points.value(
            self,
            arch_id,
            asked,
            answered,
            num_epochs=num_epochs,
            at_epoch=at_epoch,
            run=run,
            seed=seed,
            configuration=configuration,
        )

    def _length(self, answered: Answered, num_epochs: int | None, hp: object) -> int:
        """The schedule asked for; sizes need none."""
        if num_epochs is None and hp is None and vocabulary.is_cost(self.name, answered.series):
            return self.trainings[answered.dataset][0]
        return self.schedule(answered.dataset, num_epochs, hp)

    def curve(
        self,
        arch: Arch,
        *,
        series: str,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        run: int | None = None,
        seed: int | None = None,
        **configuration: Any,
    ) -> Curve:
        """One series along one run, at the epochs at which upstream released it.

        Parameters
        ----------
        series
            A role, a split or a column of ``curves``, as in `value`.
        run, seed
            Which run; needed where there are several.
        """
        asked = self.dataset(dataset)
        answered = self.split_of(series, asked)
        from nasbase.query import points

        return points.curve(
            self,
            self._arch_id(arch),
            asked,
            answered,
            num_epochs=self.schedule(answered.dataset, num_epochs, hp),
            run=run,
            seed=seed,
            configuration=configuration,
        )

    def complexity(self, arch: Arch, dataset: str | None = None) -> Complexity:
        """Sizes of an architecture: computed from its structure, and as upstream recorded them."""
        from nasbase.query import points

        return points.complexity(self, self._arch_id(arch), self.dataset(dataset))

    # ------------------------------------------------------------------ all architectures

    def values(
        self,
        what: str,
        *,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        at_epoch: int | None = None,
        run: int | None = None,
        seed: int | None = None,
        missing: Missing = None,
        where: Predicate | Mapping[str, Any] | None = None,
        **limits: Any,
    ) -> Values:
        """One number per architecture, in the order of ``arch_id`` (NDS: of ``config_id``).

        Parameters
        ----------
        what, dataset, num_epochs, hp, at_epoch, run, seed
            As in `value`.
        missing
            ``"nan"`` puts NaN where upstream released no value; by default that is an error.
        where, **limits
            As in `best`; ``ids`` of the answer says which architectures passed.

        Returns
        -------
        Values
            A numpy array of float64 that says what it is.
        """
        from nasbase.query.values import values

        asked = self.dataset(dataset)
        answered = self.split_of(what, asked)
        return values(
            self,
            answered,
            asked=asked,
            num_epochs=self._length(answered, num_epochs, hp),
            at_epoch=at_epoch,
            run=run,
            seed=seed,
            missing=missing,
            where=where,
            given=limits,
        )

    def best(
        self,
        *,
        dataset: str | None = None,
        num_epochs: int | None = None,
        hp: object = None,
        select: str = "valid_acc",
        report: str | None = "test_acc",
        k: int = 1,
        rule: Rule = "mean",
        where: Predicate | Mapping[str, Any] | None = None,
        **limits: Any,
    ) -> Ranking:
        """The best architectures: chosen by one number, reported by another.

        Parameters
        ----------
        select, report
            Roles or columns, as in `value`. Losses, errors, times and sizes are better when they
            are smaller. Equal numbers are in the order of their ids.
        k
            How many.
        rule
            ``mean``: by the mean over runs; ``trial``: by the best single run.
        where
            A function of an `Architecture`, or wanted values of columns of ``architectures``.
        **limits
            ``max_<column>`` and ``min_<column>``: ``params`` and ``macs`` (computed; NDS:
            ``params`` and ``flops`` as recorded), and every column that ``means`` averages,
            ``latency_s`` for instance. NDS also ``model_family``, ``proposer``, ``generator``,
            ``base_lr`` and ``weight_decay``.
        """
        from nasbase.query import ranking

        asked = self.dataset(dataset)
        chosen = self.split_of(select, asked)
        return ranking.best(
            self,
            asked=asked,
            num_epochs=self.schedule(chosen.dataset, num_epochs, hp),
            select=chosen,
            report=None if report is None else self.split_of(report, asked),
            k=k,
            rule=rule,
            where=where,
            given=limits,
        )

    def pareto(
        self,
        *,
        maximize: str | Sequence[str] = (),
        minimize: str | Sequence[str] = (),
        **question: Any,
    ) -> Front:
        """Architectures that no other one beats in every metric.

        Parameters
        ----------
        maximize, minimize
            Roles or columns, as in `value`; at least two together.
        **question
            ``dataset``, ``num_epochs``, ``missing`` and the filters of `values`. With
            ``missing="nan"``, architectures that lack a metric are left out.
        """
        from nasbase.query import analysis

        wanted = [(name, 1) for name in _names(maximize)] + [
            (name, -1) for name in _names(minimize)
        ]
        if len(wanted) < 2:
            raise QueryError(
                "A Pareto front is of several metrics.",
                expected="at least two in maximize= and minimize= together",
                found=", ".join(name for name, _ in wanted) or "none",
            )
        names, directions = zip(*wanted, strict=True)
        metrics = [self.values(name, **question) for name in names]
        return analysis.front(self, names, directions, metrics)

    def rank_correlation(
        self,
        scores: str | Sequence[float] | np.ndarray | Mapping[Any, float],
        against: str | Sequence[float] | np.ndarray = "test_acc",
        *,
        top: Sequence[float] = (1.0,),
        **question: Any,
    ) -> RankCorrelation:
        """Spearman's, Kendall's (tau-b) and the linear correlation of two rankings.

        Parameters
        ----------
        scores
            A metric (as in `value`), one number per architecture in order, or a mapping from
            architectures to numbers: then only those are compared.
        against
            A metric or numbers.
        top
            Fractions of the architectures, the best by ``against``: ``[1, .1]`` gives the
            correlation over all and over the best tenth.
        **question
            ``dataset``, ``num_epochs`` and the rest of `values`, for metrics.
        """
        from nasbase.query import analysis

        def numbers(given: Any) -> np.ndarray:
            return self.values(given, **question) if isinstance(given, str) else given

        if isinstance(scores, Mapping):
            scores = {self.find(arch): score for arch, score in scores.items()}
        else:
            scores = numbers(scores)
        return analysis.rank_correlation(self, scores, numbers(against), top)

    def ecdf(self, what: str, **question: Any) -> Ecdf:
        """Empirical distribution of a metric over the architectures; arguments as in `values`."""
        from nasbase.query import analysis

        return analysis.ecdf(self.values(what, **question))

    # ------------------------------------------------------------------ search

    def simulator(self, dataset: str | None = None, **options: Any) -> Simulator:
        """A clock that charges what an evaluation would have cost."""
        from nasbase.query.simulator import Simulator

        return Simulator(self, self.dataset(dataset), **options)

    def objective(self, dataset: str | None = None, **options: Any) -> Objective:
        """An objective in the manner of HPOBench."""
        from nasbase.query.objective import Objective

        return Objective(self, self.dataset(dataset), **options)

    def neighbours(self, arch: Arch) -> tuple[Architecture, ...]:
        """Architectures of the build that are one edit away, in order of their index."""
        one = self[arch]
        given = (one.adjacency, one.operations) if self.name == "nb101" else one.text
        found = {self._by_text(text) for text in self.space.neighbours(given)} - {one.arch_id}
        return tuple(self[arch_id] for arch_id in sorted(i for i in found if i is not None))

    # ------------------------------------------------------------------ tables and descriptions

    def table(self, name: str) -> LazyTable:
        """A whole table, read when it is converted: ``to_pandas()``, ``to_arrow()``, ``path``."""
        from nasbase.query.table import LazyTable

        known = tables(self.name)
        if name not in known:
            raise unknown("table", name, known, where=self.label)
        return LazyTable(self, known[name])

    @cached_property
    def columns(self) -> Description:
        """Every column: unit, meaning, and whether it was released or computed."""
        from nasbase.query.results import Described, Description

        return Description(
            self,
            tuple(
                Described(table.name, c.name, c.type, c.unit, c.meaning, c.origin, c.upstream)
                for table in tables(self.name).values()
                for c in table.columns
            ),
        )

    def cite(self) -> str:
        """What to cite, and which build the numbers come from."""
        lines = [self.manifest["citation"]]
        if self.manifest.get("homepage"):
            lines.append(f"Released at {self.manifest['homepage']}.")
        lines.append(f"Numbers: nasbase {self.manifest['nasbase']}, {self.label}.")
        return "\n".join(lines)

    def to_arrow(self, table: str, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
        """Columns as an Arrow table, in the types of the Parquet table."""
        import pyarrow as pa

        from nasbase.tables.arrow import arrow_schema

        return pa.table(dict(columns), schema=arrow_schema(tables(self.name)[table]))


def _names(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
