"""What a build is, what it holds, and what the names in a question mean in it."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nasbase.errors import QueryError
from nasbase.query import vocabulary
from nasbase.query.database import Database
from nasbase.query.rows import Architecture, Architectures, Frame, Mean, Note, Row, Trial
from nasbase.query.vocabulary import Answered, unknown
from nasbase.tables.catalogue import series, tables

if TYPE_CHECKING:
    import random

    from nasbase.query.handle import Benchmark
    from nasbase.query.spaces import Space

Arch = Any
"""An architecture in any encoding of its space, or a row that names one."""

_KINDS: Mapping[str, type[Row]] = {"trials": Trial, "means": Mean, "architectures": Architecture}
_TEXT = {"nb101": "hash", "nb201": "arch_str", "nats_tss": "arch_str", "nats_sss": "arch_str"}
"""Column of ``architectures`` that holds the canonical text (nds composes it)."""


PAGE = 1000
"""Architectures that an iteration reads at once."""


class Content:
    """The identity and the names of one build: what `Benchmark` asks its questions about."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = dict(manifest)
        self.name: str = manifest["benchmark"]
        self.release: str = manifest["release"]
        self.version: str = manifest["version"]
        self.synthetic: bool = manifest["synthetic"]
        self.partial: bool = manifest["partial"]
        identity = {
            "benchmark": self.name,
            "version": self.version,
            "synthetic": "true" if self.synthetic else "false",
        }
        self.database = Database(folder / f"{self.name}.sqlite", identity, manifest["schema"])
        self.series = {column.name: i for i, column in enumerate(series(self.name))}
        self.subject = "config_id" if self.name == "nds" else "arch_id"
        self._answered: dict[tuple[str, str | None], Answered] = {}

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
        return isinstance(other, Content) and (
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
        # Page by page: no cursor stays open that a fork or another thread could not go on with.
        sql = "SELECT * FROM architectures WHERE arch_id > ? ORDER BY arch_id LIMIT ?"
        last = -1
        while rows := self.database.rows(sql, (last, PAGE)):
            for row in rows:
                yield Architecture(frame, row)
            last = rows[-1][0]

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
        next_dataset = "SELECT min(dataset) FROM means WHERE dataset > ?"
        next_epochs = "SELECT min(num_epochs) FROM means WHERE dataset = ? AND num_epochs > ?"
        found = {
            dataset: tuple(self._jumps(next_epochs, (dataset,), -1))
            for dataset in self._jumps(next_dataset, (), "")
        }
        order = [name for name in vocabulary.ROLES[self.name] if name in found]
        return {name: found[name] for name in [*order, *sorted(set(found) - set(order))]}

    def _jumps(self, sql: str, parameters: tuple, at: Any) -> Iterator[Any]:
        """Different values along an index: from one to the next, where DISTINCT would read all."""
        while True:
            (at,) = self.database.rows(sql, (*parameters, at))[0]
            if at is None:
                return
            yield at

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
        if self.name == "nb101":
            return ()
        found = self.database.rows("SELECT DISTINCT seed FROM trials WHERE seed IS NOT NULL")
        return tuple(sorted(seed for (seed,) in found))

    def frame(self, table: str) -> Frame:
        """What the rows of a table share."""
        try:
            return self._frames[table]
        except KeyError:
            described = tables(self.name)[table]
            kind = _KINDS.get(table, Row)
            frame = Frame(cast("Benchmark", self), table, described.names, described.key, kind)
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
            f"WHERE {where} ORDER BY note_id",
            tuple(wanted.values()),
        )
        return tuple(map(Note._make, rows))

    def sample(self, n: int, rng: random.Random | int) -> tuple[Architecture, ...]:
        """``n`` different architectures of the build, drawn uniformly.

        Parameters
        ----------
        rng
            A `random.Random`, or the seed of one.
        """
        size = vocabulary.whole(n, "n")
        if n is None or not 0 <= size <= len(self):
            raise QueryError(
                "A sample without replacement cannot be of this size.",
                where=self.label,
                expected=f"0 to {len(self)}",
                found=n,
            )
        import random

        if not hasattr(rng, "sample"):
            rng = random.Random(vocabulary.whole(rng, "rng"))
        return tuple(self.architectures[i] for i in rng.sample(range(len(self)), size))

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
                return self.present(arch.__index__())
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

    def present(self, arch_id: int) -> int:
        """The same index, if the build holds it (`QueryError`)."""
        if self.database.row("SELECT 1 FROM architectures WHERE arch_id = ?", (arch_id,)) is None:
            raise self._absent(arch_id)
        return arch_id

    def _by_text(self, text: str) -> int | None:
        if self.name == "nds":
            return self._network(text)
        sql = f"SELECT arch_id FROM architectures WHERE {_TEXT[self.name]} = ?"
        row = self.database.row(sql, (text,))
        return row[0] if row else None

    def _network(self, text: str) -> int | None:
        """NDS: indexes are ranks of canonical texts, so a text is found by bisection."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            row = self.database.rows("SELECT * FROM architectures WHERE arch_id = ?", (middle,))[0]
            found = self.text_of(row)
            if found == text:
                return middle
            low, high = (middle + 1, high) if found < text else (low, middle)
        return None

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
        if self.name in ("nb101", "nds"):  # hashes and specifications have no neighbours in order
            return None
        column = _TEXT[self.name]
        rows = self.database.rows(
            f"SELECT {column} FROM architectures WHERE {column} >= ? ORDER BY {column} LIMIT 1",
            (arch,),
        )
        return repr(rows[0][0]) if rows else None

    def _arch_id(self, arch: Arch) -> int:
        """Index of an architecture; an int is looked up by the question itself."""
        return arch if type(arch) is int else self.find(arch)

    def dataset(self, name: str | None) -> str:
        """A data set in upstream's spelling; without a name, the only one there is."""
        if isinstance(name, str) and name in self.trainings:
            return name
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
        if num_epochs is None and len(there) == 1:
            return there[0]
        if num_epochs is not None and num_epochs in there:
            return num_epochs
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
            return self._answered[what, dataset]
        except (KeyError, TypeError):  # a first question, or something that is no name
            pass
        name = self.dataset(dataset)
        extra = [c.name for table in ("trials", "costs") for c in self._numbers(table)]
        answered = vocabulary.resolve(self.name, what, name, extra)
        if answered.dataset not in self.trainings:
            raise QueryError(
                f"{what!r} of {name} is measured on {answered.dataset}, not in this build.",
                where=self.label,
                expected=f"a build with {answered.dataset}",
                found=", ".join(self.datasets),
            )
        self._answered[what, dataset] = answered
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


def _is_index(value: Any) -> bool:
    """Whether a value with ``__index__`` is one whole number; an array or a bool is not."""
    if isinstance(value, bool):
        return False
    try:
        value.__index__()
    except TypeError:
        return False
    return True
