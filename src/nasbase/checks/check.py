"""What a check is: a named claim about built artifacts, with counts and examples."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from nasbase import __version__
from nasbase.store.nni import DATABASES, FOLDER
from nasbase.store.parquet import open_parquet, read_batches

logger = logging.getLogger(__name__)

Severity = Literal["error", "warning"]


@dataclass(slots=True)
class Outcome:
    """What a check found: how many things it looked at, how many failed, and a few of them.

    ``not_applicable`` says why a check has nothing to look at in this build; ``warnings`` are worth
    knowing of a build that passes nevertheless; ``facts`` are further entries of its record, such
    as ``found`` and ``expected``.
    """

    checked: int = 0
    failed: int = 0
    examples: list[str] = field(default_factory=list)
    not_applicable: str | None = None
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    MAX_EXAMPLES = 5

    def count(
        self, checked: int, failures: list[str] | None = None, failed: int | None = None
    ) -> None:
        """Add ``checked`` things of which ``failed`` (default: all of ``failures``) failed."""
        failures = failures or []
        self.checked += int(checked)
        self.failed += int(len(failures) if failed is None else failed)
        room = self.MAX_EXAMPLES - len(self.examples)
        self.examples += [str(example) for example in failures[:room]]

    def count_sentences(self, made_by: str, table: str, checked: int, differ: list[str]) -> None:
        """Add sentences of a table, of which those in ``differ`` are not this nasbase's.

        They are wrong in a build that this version made; another version had words of its own.
        """
        if made_by == __version__:
            self.count(checked, differ)
            return
        self.count(checked)
        if differ:
            self.warnings.append(
                f"described by another version of nasbase, {made_by} (this is {__version__}): "
                f"{len(differ)} of {checked} sentences of {table} differ"
            )


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The artifacts of one build, as they lie on disk.

    ``folder`` holds the Parquet tables, ``others`` (default: the same folder) the other forms;
    ``made_by`` is the version of nasbase that wrote them. ``counterpart`` holds the Parquet tables
    of another benchmark that released the same trainings, if there is such a build.
    """

    benchmark: str
    release: str
    folder: Path
    partial: bool
    synthetic: bool
    forms: tuple[str, ...] = ("parquet",)
    others: Path | None = None
    made_by: str = __version__
    counterpart: Path | None = None

    def path(self, table: str) -> Path:
        """The Parquet file of one table."""
        return self.folder / f"{table}.parquet"

    def parquet(self, table: str) -> pq.ParquetFile:
        """The same, open; read it row group by row group."""
        return open_parquet(self.path(table))

    def table(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table, or some of its columns in this order."""
        with self.parquet(table) as file:
            rows = file.read(columns and list(columns))
        return rows.select(list(columns)) if columns else rows

    def batches(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """A table, or some of its columns in this order, piece by piece."""
        for rows in read_batches(self.path(table), columns=columns):
            yield rows.select(list(columns)) if columns else rows

    @property
    def sqlite(self) -> Path:
        """The SQLite database."""
        return (self.others or self.folder) / f"{self.benchmark}.sqlite"

    @property
    def hdf5(self) -> Path:
        """The HDF5 file of curves."""
        return (self.others or self.folder) / "curves.h5"

    @property
    def nni(self) -> Path:
        """NNI's database; the installed one has its digest in its name."""
        name = DATABASES[self.benchmark]
        folder = (self.others or self.folder) / FOLDER
        return next(iter(sorted(folder.glob(f"{name}*.db"))), folder / f"{name}.db")


@dataclass(frozen=True, slots=True)
class Check:
    """A named claim about the artifacts of a build.

    Attributes
    ----------
    id
        ``<benchmark or 'all'>.<what>``.
    claim
        What it proves, in one sentence.
    run
        Counts into an `Outcome`.
    severity
        ``error`` stops the build before it is installed; ``warning`` is reported.
    long
        Takes among the longest of all checks of a whole release.
    """

    id: str
    claim: str
    run: Callable[[Artifacts, Outcome], None]
    severity: Severity = "error"
    long: bool = False

    def report(self, artifacts: Artifacts) -> dict[str, Any]:
        """Run the check; a plain record of what it found.

        A check that stumbles has failed: the artifact is so damaged that it cannot even be read.
        """
        outcome = Outcome()
        try:
            self.run(artifacts, outcome)
        except MemoryError:
            raise
        except Exception as error:
            logger.exception("%s stopped", self.id)
            outcome.not_applicable = None
            outcome.count(1, [f"the check stopped: {type(error).__name__}: {error}"])
        found = asdict(outcome)
        facts = found.pop("facts")
        if not outcome.warnings:
            del found["warnings"]
        if outcome.not_applicable is None:
            del found["not_applicable"]
        return {
            **facts,
            "id": self.id,
            "claim": self.claim,
            "severity": self.severity,
            "passed": outcome.failed == 0,
            **found,
        }
