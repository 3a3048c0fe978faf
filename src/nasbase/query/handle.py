"""The handle that `nasbase.open` returns."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.errors import QueryError
from nasbase.query import vocabulary
from nasbase.query.database import Database
from nasbase.query.results import (
    Architecture,
    Architectures,
    Frame,
    Mean,
    Means,
    Note,
    Row,
    Trial,
    Trials,
)
from nasbase.query.vocabulary import Answered, unknown
from nasbase.store.series_blob import decode_one
from nasbase.tables.catalogue import CONFIGURATION_COLUMNS, series, tables

if TYPE_CHECKING:
    import pyarrow as pa

    from nasbase.query.spaces import Space

Arch = Any
"""An architecture in any encoding of its space, or a row that names one."""

_KINDS: Mapping[str, type[Row]] = {"trials": Trial, "means": Mean, "architectures": Architecture}
_TEXT = {"nb101": "hash", "nb201": "arch_str", "nats_tss": "arch_str", "nats_sss": "arch_str"}
"""Column of ``architectures`` that holds the canonical text (nds composes it)."""

CONFIGURATION = tuple(column.name for column in CONFIGURATION_COLUMNS)
"""What tells configurations of one NDS architecture apart."""


class Benchmark:
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
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = dict(manifest)
        self.name: str = manifest["benchmark"]
        self.release: str = manifest["release"]
        self.version: str = manifest["version"]
        self.synthetic: bool = manifest["synthetic"]
        self.partial: bool = manifest["partial"]
        identity = {"benchmark": self.name, "version": self.version}
        self.database = Database(folder / f"{self.name}.sqlite", identity, manifest["schema"])
        self._series = {column.name: i for i, column in enumerate(series(self.name))}
        self._subject = "config_id" if self.name == "nds" else "arch_id"
        self._answered: dict[tuple[str, str], Answered] = {}

    # ------------------------------------------------------------------ identity

    @property
    def label(self) -> str:
        """Name and version; says so when the numbers are synthetic."""
        mark = " (SYNTHETIC: made-up numbers)" if self.synthetic else ""
        return f"{self.name} {self.version}{mark}"

    def __repr__(self) -> str:
        schedules = ", ".join(map(str, self.schedules))
        partial = "a part of the space, " if self.partial else ""
        return (
            f"<{self.label}: {len(self)} architectures, {partial}{', '.join(self.datasets)}, "
            f"schedules of {schedules} epochs>"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Benchmark) and (
            (self.folder, self.version) == (other.folder, other.version)
        )

    def __hash__(self) -> int:
        return hash((self.folder, self.version))

    def __reduce__(self) -> tuple:
        from nasbase.query.opening import open_folder

        return open_folder, (self.folder, self.version)

    def close(self) -> None:
        """Close this thread's connection; the next question opens it again."""
        self.database.close()

    # ------------------------------------------------------------------ what there is

    def __len__(self) -> int:
        return self.manifest["tables"]["architectures"]["rows"]

    def __iter__(self) -> Iterator[Architecture]:
        frame = self.frame("architectures")
        for row in self.database.connection().execute(
            "SELECT * FROM architectures ORDER BY arch_id"
        ):
            yield Architecture(frame, row)

    def __contains__(self, arch: Arch) -> bool:
        try:
            self.find(arch)
        except QueryError:
            return False
        return True

    def __getitem__(self, arch: Arch) -> Architecture:
        row = self.database.row("SELECT * FROM architectures WHERE arch_id = ?", (self.find(arch),))
        assert row is not None  # noqa: S101 - `find` found it
        return Architecture(self.frame("architectures"), row)

    @cached_property
    def architectures(self) -> Architectures:
        """Every architecture of the build, in order."""
        return Architectures(
            self.frame("architectures"),
            self.database.rows("SELECT * FROM architectures ORDER BY arch_id"),
        )

    @cached_property
    def space(self) -> Space:
        """The search space: encodings, random architectures, neighbours."""
        from nasbase.query.spaces import space_of

        return space_of(self.name)

    @cached_property
    def trainings(self) -> Mapping[str, tuple[int, ...]]:
        """Schedules (lengths in epochs) that each data set was trained with."""
        found: dict[str, tuple[int, ...]] = {}
        at: tuple | None = ("", -1)
        # Jumps along the index from one pair to the next; DISTINCT would read all of it.
        while at := self.database.row(
            "SELECT dataset, num_epochs FROM means WHERE (dataset, num_epochs) > (?, ?) "
            "ORDER BY dataset, num_epochs LIMIT 1",
            at,
        ):
            found[at[0]] = (*found.get(at[0], ()), at[1])
        order = [name for name in vocabulary.ROLES[self.name] if name in found]
        return {name: found[name] for name in [*order, *sorted(set(found) - set(order))]}

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets, in upstream's spelling."""
        return tuple(self.trainings)

    @property
    def schedules(self) -> tuple[int, ...]:
        """Lengths of the training schedules, in epochs."""
        return tuple(sorted({epochs for all_ in self.trainings.values() for epochs in all_}))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Random seeds of the trainings; none for NAS-Bench-101, which did not record them."""
        found = self.database.rows("SELECT DISTINCT seed FROM trials WHERE seed IS NOT NULL")
        return tuple(sorted(seed for (seed,) in found))

    def frame(self, table: str) -> Frame:
        """What the rows of a table share."""
        try:
            return self._frames[table]
        except KeyError:
            described = tables(self.name)[table]
            kind = _KINDS.get(table, Row)
            frame = Frame(self, table, described.names, described.key, kind)
            return self._frames.setdefault(table, frame)

    @cached_property
    def _frames(self) -> dict[str, Frame]:
        return {}

    def notes(
        self, table: str | None = None, key: str | None = None, *, kind: str | None = None
    ) -> tuple[Note, ...]:
        """What is known about rows and columns; ``key`` is a row's key as ``notes`` writes it."""
        given = {"table": table, "key": key, "kind": kind}
        wanted = {name: value for name, value in given.items() if value is not None}
        where = " AND ".join(f'"{name}" = ?' for name in wanted) or "1"
        rows = self.database.rows(
            'SELECT "table", key, "column", kind, code, sentence, value, reference FROM notes '
            f"WHERE {where} ORDER BY note_id",  # noqa: S608 - names from above
            tuple(wanted.values()),
        )
        return tuple(map(Note._make, rows))

    # ------------------------------------------------------------------ names

    def find(self, arch: Arch, format: str | None = None) -> int:  # noqa: A002
        """Index (``arch_id``) of an architecture in any encoding of the space.

        Parameters
        ----------
        arch
            Index, canonical text, or any other encoding that ``space.encode`` accepts.
        format
            Name of the encoding where the value alone does not say it (``nats``, ``naslib``).

        Raises
        ------
        SpaceError
            If it is no architecture of the space.
        QueryError
            If it is one, but this build does not hold it.
        """
        if format is None:
            if isinstance(arch, Row):
                arch = self._named_by(arch)
            if type(arch) is int or (hasattr(arch, "__index__") and _is_index(arch)):
                return self._present(arch.__index__())
            if isinstance(arch, str) and (found := self._by_text(arch)) is not None:
                return found
        text = self.space.encode(arch, format)
        found = self._by_text(text)
        if found is None:
            raise self._absent(text)
        return found

    def _named_by(self, row: Row) -> Arch:
        """The architecture that a row is about; rows of other builds name it by its text."""
        bench = row._frame.bench
        if bench == self or (bench.name == self.name and self.name not in ("nb101", "nds")):
            return row.arch_id
        return bench[row.arch_id].text

    def _present(self, arch_id: int) -> int:
        if self.database.row("SELECT 1 FROM architectures WHERE arch_id = ?", (arch_id,)) is None:
            raise self._absent(arch_id)
        return arch_id

    def _by_text(self, text: str) -> int | None:
        if self.name == "nds":
            return self._network(text)
        sql = f"SELECT arch_id FROM architectures WHERE {_TEXT[self.name]} = ?"  # noqa: S608
        row = self.database.row(sql, (text,))
        return row[0] if row else None

    def _network(self, text: str) -> int | None:
        """NDS: canonical texts are not stored as one column, so they are indexed on first use."""
        return self._networks.get(text)

    @cached_property
    def _networks(self) -> Mapping[str, int]:
        rows = self.database.rows("SELECT * FROM architectures")
        return {self.text_of(row): row[0] for row in rows}

    def text_of(self, row: tuple) -> str:
        """Canonical text of a row of ``architectures``."""
        if self.name == "nds":
            from nasbase.benchmarks.nds.space import Network

            return Network(*row[1:4]).text
        return row[1]

    def _absent(self, arch: int | str) -> QueryError:
        size = self.space.size
        of = f" of the {size:,} of its space" if size else ""
        near = self._near(arch)
        return QueryError(
            f"This build of {self.name} does not hold architecture {str(arch)[:200]!r}.",
            where=self.folder,
            expected=f"one of its {len(self):,} architectures{of}; bench.architectures lists them",
            found=str(arch)[:200],
            todo=f"The nearest that it holds is {near}." if near else None,
        )

    def _near(self, arch: int | str) -> str | None:
        if isinstance(arch, int):
            row = self.database.row(
                "SELECT arch_id FROM architectures ORDER BY abs(arch_id - ?) LIMIT 1", (arch,)
            )
            return str(row[0]) if row else None
        if self.name == "nds":
            return None
        column = _TEXT[self.name]
        rows = self.database.rows(
            f"SELECT {column} FROM architectures WHERE {column} >= ? "  # noqa: S608
            f"ORDER BY {column} LIMIT 1",
            (arch,),
        )
        return repr(rows[0][0]) if rows else None

    def _arch_id(self, arch: Arch) -> int:
        """Index of an architecture; an int is looked up by the question itself."""
        return arch if type(arch) is int else self.find(arch)

    def dataset(self, name: str | None) -> str:
        """A data set in upstream's spelling; without a name, the only one there is."""
        if name in self.trainings:
            return name  # type: ignore[return-value]
        if name is None:
            if len(self.trainings) == 1:
                return self.datasets[0]
            raise QueryError(
                "The question does not say which data set.",
                where=self.label,
                expected=f"dataset= one of {', '.join(self.datasets)}",
            )
        plain = str(name).strip().lower().replace("_", "-")
        for known in self.trainings:
            if plain == known.lower():
                return known
        raise unknown("data set", name, self.datasets, where=self.label)

    def schedule(self, dataset: str, num_epochs: int | None, hp: object = None) -> int:
        """Length of a schedule of a data set; where none is named, the only one there is."""
        if num_epochs is None or hp is not None or type(num_epochs) is not int:
            num_epochs = vocabulary.schedule(self.name, num_epochs, hp)
        there = self.trainings[dataset]
        if num_epochs in there:
            return num_epochs  # type: ignore[return-value]
        if num_epochs is None and len(there) == 1:
            return there[0]
        raise QueryError(
            f"There are no {num_epochs}-epoch runs on {dataset}."
            if num_epochs is not None
            else "The question does not say which training schedule.",
            where=self.label,
            expected=f"num_epochs= one of {', '.join(map(str, there))}",
            found=num_epochs,
            todo=f"Did you mean {min(there, key=lambda known: abs(known - num_epochs))}? A point "
            "inside a longer run is asked for by num_epochs= and at_epoch= together."
            if num_epochs is not None
            else None,
        )

    def split_of(self, what: str, dataset: str | None = None) -> Answered:
        """The data set, column and split that answer for a role, split or column.

        ``valid`` and ``test`` play the roles that the papers give them (`vocabulary.ROLES`):
        cifar10's validation is that of ``cifar10-valid``.
        """
        try:
            return self._answered[what, dataset]  # type: ignore[index]
        except (KeyError, TypeError):
            pass
        name = self.dataset(dataset)
        extra = [c.name for table in ("trials", "costs") for c in self._numbers(table)]
        answered = vocabulary.resolve(self.name, what, name, extra)
        if answered.dataset not in self.trainings:
            raise QueryError(
                f"{what!r} of {name} is measured on {answered.dataset}, which is not in this build.",
                where=self.label,
                expected=f"a build with {answered.dataset}",
                found=", ".join(self.datasets),
            )
        self._answered[what, dataset] = answered  # type: ignore[index]
        return answered

    def _numbers(self, table: str) -> list[Any]:
        """Columns of a table that hold numbers and identify nothing."""
        return [
            column
            for column in tables(self.name)[table].columns
            if column.type in ("float64", "int32", "int64")
            and column.origin in ("released", "computed")
            and column.name not in ("seed", "job_id", "num_epochs")
        ]

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
        sql, parameters = self._where(arch_id, dataset, num_epochs, run, seed, configuration)
        rows = self.database.rows(f"SELECT * FROM trials WHERE {sql} ORDER BY trial_id", parameters)  # noqa: S608
        if not rows:
            raise self._no_trial(arch_id, dataset, num_epochs, run, seed, configuration)
        return Trials(self.frame("trials"), rows)

    def _where(
        self,
        arch_id: int,
        dataset: str | None,
        num_epochs: int | None,
        run: int | None,
        seed: int | None,
        configuration: Mapping[str, Any],
    ) -> tuple[str, list[Any]]:
        """Condition on ``trials`` (or, without run and seed, on ``means``) and its parameters."""
        sql, parameters = "arch_id = ?", [arch_id]
        for condition, value in (
            (" AND dataset = ?", dataset),
            (" AND num_epochs = ?", num_epochs),
            (" AND run = ?", run),
            (" AND seed = ?", seed),
        ):
            if value is not None:
                sql += condition
                parameters.append(value)
        if configuration:
            more, values = self.configured(configuration)
            sql += f" AND config_id IN (SELECT config_id FROM configurations WHERE {more})"
            parameters += values
        return sql, parameters

    def configured(self, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """NDS: condition on ``configurations`` and its parameters, from keyword filters."""
        known = ("config_id", *CONFIGURATION) if self.name == "nds" else ()
        for name in given:
            if name not in known:
                raise unknown("filter", name, known, where=self.label)
        wanted = {name: value for name, value in given.items() if value is not None}
        if not wanted:
            return "1", []
        return " AND ".join(f"{name} = ?" for name in wanted), list(wanted.values())

    def _no_trial(
        self,
        arch_id: int,
        dataset: str | None,
        num_epochs: int | None,
        run: int | None,
        seed: int | None,
        configuration: Mapping[str, Any],
    ) -> QueryError:
        """Why a question about runs has no answer, and which runs there are."""
        self._present(arch_id)
        if dataset is not None and num_epochs is not None:
            self.schedule(dataset, num_epochs)
        elif num_epochs is not None and num_epochs not in self.schedules:
            return unknown("schedule", num_epochs, [*map(str, self.schedules)], where=self.label)
        asked = {
            "dataset": dataset,
            "num_epochs": num_epochs,
            "run": run,
            "seed": seed,
            **configuration,
        }
        return QueryError(
            f"Architecture {arch_id} has no such run.",
            where=self.label,
            expected=self._runs_listed(arch_id, dataset, num_epochs),
            found=", ".join(f"{k}={v!r}" for k, v in asked.items() if v is not None),
        )

    def _runs_listed(self, arch_id: int, dataset: str | None, num_epochs: int | None) -> str:
        """The runs of an architecture, narrowed down as far as something is left."""
        join = " JOIN configurations USING (config_id)" if self.name == "nds" else ""
        more = "".join(f", {name}" for name in CONFIGURATION) if join else ""
        for narrowed in ((dataset, num_epochs), (dataset, None), (None, None)):
            where, parameters = "trials.arch_id = ?", [arch_id]
            for column, value in zip(("dataset", "num_epochs"), narrowed, strict=True):
                if value is not None:
                    where += f" AND trials.{column} = ?"
                    parameters.append(value)
            rows = self.database.rows(
                f"SELECT trials.dataset, trials.num_epochs, run, seed{more} FROM trials{join} "  # noqa: S608
                f"WHERE {where} ORDER BY trial_id",
                parameters,
            )
            if rows:
                break
        names = ("dataset", "num_epochs", "run", "seed", *(CONFIGURATION if join else ()))
        texts = [
            ", ".join(f"{n}={v!r}" for n, v in zip(names, row, strict=True) if v is not None)
            for row in rows[:20]
        ]
        more_text = [f"... {len(rows) - 20} more"] if len(rows) > 20 else []
        return "one of\n    " + "\n    ".join([*texts, *more_text])

    def runs(self, arch_id: int, dataset: str, num_epochs: int) -> tuple[int, ...]:
        """Numbers of the runs of one training."""
        rows = self.database.rows(
            "SELECT run FROM trials WHERE arch_id = ? AND dataset = ? AND num_epochs = ? "
            "ORDER BY trial_id",
            (arch_id, dataset, num_epochs),
        )
        if not rows:
            raise self._no_trial(
                arch_id, self.dataset(dataset), self.schedule(dataset, num_epochs), None, None, {}
            )
        return tuple(run for (run,) in rows)

    def series_values(
        self, arch_id: int, dataset: str, num_epochs: int, run: int, series: str
    ) -> Sequence[float | None]:
        """One series along one run: the values after epochs 1 to ``num_epochs``.

        None stands where upstream released no value. NAS-Bench-101 has values after half and all
        of the epochs (and after epoch 0, which `curve` gives).
        """
        if self.name == "nb101":
            return self._sparse_values(arch_id, dataset, num_epochs, run, series)
        row = self.database.row(
            "SELECT length, data FROM trials JOIN trial_curves USING (trial_id) "
            "WHERE arch_id = ? AND dataset = ? AND num_epochs = ? AND run = ?",
            (arch_id, dataset, num_epochs, run),
        )
        if row is None or series not in self._series:
            raise self._no_series(arch_id, dataset, num_epochs, run, series)
        length, data = row
        values = decode_one(data, len(self._series), length, self._series[series])
        return [None] * length if values is None else values

    def _sparse_values(
        self, arch_id: int, dataset: str, num_epochs: int, run: int, series: str
    ) -> Sequence[float | None]:
        if series not in self._series:
            raise self._no_series(arch_id, dataset, num_epochs, run, series)
        rows = self.points(arch_id, dataset, num_epochs, run, series)
        if not rows:
            raise self._no_series(arch_id, dataset, num_epochs, run, series)
        values: list[float | None] = [None] * num_epochs
        for epoch, value in rows:
            if epoch:
                values[epoch - 1] = value
        return values

    def points(
        self, arch_id: int, dataset: str, num_epochs: int, run: int, series: str
    ) -> list[tuple[int, float | None]]:
        """NAS-Bench-101: epochs and values of one series of one run."""
        rows = self.database.rows(
            f"SELECT trial_id, epoch, curves.{series} FROM trials JOIN curves USING (trial_id) "  # noqa: S608
            "WHERE trials.arch_id = ? AND trials.dataset = ? AND trials.num_epochs = ? "
            "AND trials.run = ? ORDER BY epoch",
            (arch_id, dataset, num_epochs, run),
        )
        found = []
        for trial_id, epoch, value in rows:
            if value is None:
                key = f'{{"trial_id": {trial_id}, "epoch": {epoch}}}'
                notes = self.notes("curves", key, kind="nan")
                value = float("nan") if any(n.column == series for n in notes) else None  # noqa: PLW2901
            found.append((epoch, value))
        return found

    def _no_series(
        self, arch_id: int, dataset: str, num_epochs: int, run: int, series: str
    ) -> QueryError:
        if series not in self._series:
            return unknown("series", series, [*self._series], where=self.label)
        return self._no_trial(
            arch_id, self.dataset(dataset), self.schedule(dataset, num_epochs), run, None, {}
        )

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
        if self._subject == "arch_id":
            if configuration:
                self.configured(configuration)
            rows = self.database.rows(
                "SELECT * FROM means WHERE arch_id = ? AND dataset = ? AND num_epochs = ?",
                (arch_id, dataset, num_epochs),
            )
        else:
            rows = self._configuration_means(arch_id, dataset, num_epochs, configuration)
        if not rows:
            raise self._no_trial(arch_id, dataset, num_epochs, None, None, configuration)
        if len(rows) > 1:
            raise self._several(arch_id, [row[0] for row in rows])
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
        if self._subject == "arch_id":
            sql, parameters = self._where(arch_id, dataset, num_epochs, None, None, configuration)
            rows = self.database.rows(f"SELECT * FROM means WHERE {sql}", parameters)  # noqa: S608
        else:
            rows = self._configuration_means(arch_id, dataset, num_epochs, configuration)
        if not rows:
            raise self._no_trial(arch_id, dataset, num_epochs, None, None, configuration)
        return Means(self.frame("means"), rows)

    def _configuration_means(
        self,
        arch_id: int,
        dataset: str | None,
        num_epochs: int | None,
        configuration: Mapping[str, Any],
    ) -> list[tuple]:
        sql, parameters = self.configured(configuration)
        return self.database.rows(
            "SELECT means.* FROM configurations JOIN means USING (config_id) "  # noqa: S608
            f"WHERE arch_id = ? AND configurations.dataset = ifnull(?, configurations.dataset) "
            f"AND configurations.num_epochs = ifnull(?, configurations.num_epochs) AND {sql} "
            "ORDER BY config_id",
            [arch_id, dataset, num_epochs, *parameters],
        )

    def _several(self, arch_id: int, config_ids: Sequence[int]) -> QueryError:
        columns = ", ".join(("config_id", *CONFIGURATION))
        rows = self.database.rows(
            f"SELECT {columns} FROM configurations WHERE config_id IN "  # noqa: S608
            f"({', '.join(map(str, config_ids))}) ORDER BY config_id"
        )
        names = ("config_id", *CONFIGURATION)
        texts = [
            ", ".join(f"{n}={v!r}" for n, v in zip(names, row, strict=True)) for row in rows[:20]
        ]
        return QueryError(
            f"Architecture {arch_id} was trained with {len(rows)} configurations, which are never "
            "averaged.",
            where=self.label,
            expected="one of\n    " + "\n    ".join(texts),
            todo="Name it by config_id= or by what differs, or ask `means` for all of them.",
        )

    # ------------------------------------------------------------------ whole tables

    def to_arrow(self, table: str, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
        """Columns as an Arrow table, in the types of the Parquet table."""
        import pyarrow as pa

        from nasbase.tables.arrow import arrow_schema

        return pa.table(dict(columns), schema=arrow_schema(tables(self.name)[table]))

    def sample(self, n: int, rng: random.Random | int) -> tuple[Architecture, ...]:
        """``n`` different architectures of the build, drawn uniformly.

        Parameters
        ----------
        rng
            A `random.Random`, or the seed of one.
        """
        if not 0 <= n <= len(self):
            raise QueryError(
                "A sample without replacement cannot be of this size.",
                where=self.label,
                expected=f"0 to {len(self)}",
                found=n,
            )
        rng = random.Random(rng) if isinstance(rng, int) else rng
        return tuple(self.architectures[i] for i in rng.sample(range(len(self)), n))


def _is_index(value: Any) -> bool:
    """Whether a value with ``__index__`` is one whole number; an array or a bool is not."""
    if isinstance(value, bool):
        return False
    try:
        value.__index__()
    except TypeError:
        return False
    return True
