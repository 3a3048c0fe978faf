"""One number that says what it is, and what every answer can be turned into.

Apart from `nasbase.query.results`, so that a single number is answered with few modules loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from nasbase.query.rows import Note, brief, noted

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from nasbase.query.handle import Benchmark


class Tabular:
    """What can be written as columns of equal length."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Columns and their values."""
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """The same as a data frame."""
        return self.to_arrow().to_pandas()

    def to_arrow(self) -> pa.Table:
        """The same as an Arrow table."""
        import pyarrow as pa

        columns = self.to_dict()
        if not all(isinstance(column, list) for column in columns.values()):
            return pa.Table.from_pylist([columns])
        return pa.table(columns)


class Value(Tabular, float):
    """One number that knows what it is; arithmetic with it gives plain floats.

    Attributes
    ----------
    column, dataset, split
        The column that answered, the data set it was trained on, and the split it was measured on
        (None for what has no split, a time for instance).
    asked
        The data set of the question: cifar10's validation is measured on ``cifar10-valid``.
    num_epochs, epoch
        Length of the schedule, and the epoch after which the number was measured; None for what
        follows from the architecture alone.
    n, sd
        Number of runs that were averaged and their sample standard deviation (None where n is 1);
        n is 0 where the number is computed from the architecture.
    run, seed
        Which run it is, where the question named one.
    arch_id
        The architecture.
    """

    __slots__ = (
        "arch_id",
        "asked",
        "bench",
        "column",
        "dataset",
        "epoch",
        "keys",
        "n",
        "num_epochs",
        "run",
        "sd",
        "seed",
        "split",
        "unit",
    )
    arch_id: int
    asked: str
    bench: Benchmark
    column: str
    dataset: str
    epoch: int | None
    keys: tuple[tuple[str, str], ...] | None
    n: int
    num_epochs: int | None
    run: int | None
    sd: float | None
    seed: int | None
    split: str | None
    unit: str

    def __new__(cls, number: float, **facts: Any) -> Value:
        """Make a value of a number and what it is."""
        value = super().__new__(cls, number)
        for name in cls.__slots__:
            object.__setattr__(value, name, facts.get(name))
        return value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Value is read-only: {name} cannot be set")

    def __reduce__(self) -> tuple:
        return _value_of, (float(self), {name: getattr(self, name) for name in self.__slots__})

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is known about the rows that the number was taken from."""
        return tuple(
            note
            for table, key in self.keys or ()
            for note in self.bench.notes(table, key)
            if note.column in (None, self.column, f"{self.column}_mean")
        )

    def to_dict(self) -> dict[str, Any]:
        """The number and what it is."""
        names = sorted({*self.__slots__} - {"bench", "keys"})
        facts = {name: getattr(self, name) for name in names}
        notes = [str(note) for note in self.notes]
        build = {"benchmark": self.bench.name, "version": self.bench.version}
        return {
            "value": float(self),
            **facts,
            "notes": notes,
            **build,
            "synthetic": self.bench.synthetic,
        }

    def __repr__(self) -> str:
        where = measured(self.split, self.dataset, self.asked)
        if self.num_epochs is not None:
            where = f"epoch {self.epoch} of {self.num_epochs}, {where}"
        if self.run is not None:
            which = f"run {self.run}" + ("" if self.seed is None else f", seed {self.seed}")
        elif self.n > 1:
            which = f"mean of {self.n} runs, sd {brief(self.sd)}"
        else:
            which = "the only run" if self.n else "computed"
        unit = f" {self.unit}" if self.unit else ""
        text = (
            f"{brief(float(self))}{unit}: {self.column} ({where}; {which}) of architecture "
            f"{self.arch_id}, {self.bench.label}"
        )
        return "\n".join([text, *noted(self.notes)])


def _value_of(number: float, facts: dict[str, Any]) -> Value:
    return Value(number, **facts)


def measured(split: str | None, dataset: str, asked: str) -> str:
    """Where a number was measured, in words."""
    text = f"{split} of {dataset}" if split else dataset
    return text if asked == dataset else f"{text}, which validates {asked}"
