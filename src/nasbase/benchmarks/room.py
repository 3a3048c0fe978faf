"""The doors that every benchmark's room opens, and what passes through them.

A room holds everything peculiar to one benchmark. The rest of the package knows benchmarks only
through `Room`; the workflow's rules know them only by name.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nasbase.errors import RawDataError

if TYPE_CHECKING:
    import pyarrow as pa

    from nasbase.benchmarks.reread import Place, Reread
    from nasbase.checks.check import Check


@dataclass(frozen=True, slots=True)
class RawFile:
    """One verified raw file.

    ``form`` is None for a plain file, else ``tar``, ``pickle`` or ``dir``; a directory has been
    packed into a tar by then, so ``path`` is always a file.
    """

    name: str
    path: Path
    form: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RawRelease:
    """A release as fetched: the files a room reads, and what the sources table says of it."""

    benchmark: str
    release: str
    files: tuple[RawFile, ...]
    partial: bool
    synthetic: bool

    @property
    def where(self) -> str:
        """The release for error messages."""
        return f"{self.benchmark} {self.release}"

    def only_file(self, expected: str) -> RawFile:
        """The one file of a release that must have one.

        Raises
        ------
        RawDataError
            If there are none or several.
        """
        if len(self.files) != 1:
            raise RawDataError(
                f"{self.where} is one file.",
                where=self.where,
                expected=expected,
                found=", ".join(file.name for file in self.files) or "no file",
                todo="Give the release one file, or its files one form each, in the sources table.",
            )
        return self.files[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a release is cut into shards.

    Attributes
    ----------
    shards
        One JSON-able description per shard, exactly as many as were asked for; a shard may be
        empty (``{}``) where the raw form cannot be cut (a single compressed stream).
    expected
        What the release must hold: table name -> number of rows, as far as the raw files say so.
        Assembly refuses a build with other counts.
    """

    shards: Sequence[Mapping[str, Any]]
    expected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one shard: tables in the schemas of `nasbase.tables.shards`, in any order.

    A room yields batches of bounded size (some tens of megabytes); it never collects a release.
    """

    architectures: pa.Table
    trials: pa.Table


@dataclass(frozen=True, slots=True)
class Facts:
    """Hand-written tables of a room, as mappings from column names to values.

    ``notes`` are those that hold for whole columns (``key`` is NULL).
    """

    training_setups: Sequence[Mapping[str, Any]]
    splits: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]


def column_note(
    table: str,
    column: str | None,
    code: str,
    sentence: str,
    reference: str | None = None,
    *,
    kind: str = "by_design",
) -> dict[str, Any]:
    """A row of ``notes`` about a whole column, or about a table where ``column`` is None."""
    return {
        "table": table,
        "key": None,
        "column": column,
        "kind": kind,
        "code": code,
        "sentence": sentence,
        "value": None,
        "reference": reference,
    }


Progress = Callable[[str], None]


class Released(Protocol):
    """Whatever tells which release it is, and whether its numbers are made up."""

    @property
    def release(self) -> str:
        """Name of the release."""

    @property
    def synthetic(self) -> bool:
        """Whether its numbers are made up."""


AnyReleased = TypeVar("AnyReleased", bound=Released)


def choose_counterpart(this: Released, others: Iterable[AnyReleased]) -> AnyReleased | None:
    """The one of ``others`` that a release is compared with; see `Room.counterpart`.

    Made-up numbers are compared with made-up ones only, real ones with real ones; a release of
    the same name comes before the first.
    """
    alike = [other for other in others if other.synthetic == this.synthetic]
    return min(alike, key=lambda other: other.release != this.release, default=None)


class Room(abc.ABC):
    """Everything that is peculiar to one benchmark.

    Attributes
    ----------
    name
        Name of the benchmark (``nb101``, ...).
    title
        Its name in prose (``NAS-Bench-101``).
    datasets
        Data sets in upstream's spelling, in upstream's order.
    space_size
        Number of architectures of the full space; None where the benchmark samples its space.
    max_shards
        Upper bound of useful shards; 1 for a release that is one stream.
    disk_factor
        Bytes of free disk that a build needs, as a multiple of the raw bytes (shards, tables and
        all forms together; measured).
    run_order
        Columns of ``trials`` that number the runs of one training; see `rank_runs`.
    counterpart
        Another benchmark that released the same trainings: the checks compare its tables with
        those of this one where both are built. Two rooms never name each other, because
        validation of one waits for the tables of the other.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    space_size: int | None = None
    max_shards: int | None = None
    disk_factor: float = 4.0
    run_order: tuple[str, ...] = ("seed",)
    counterpart: str | None = None

    # ------------------------------------------------------------------ raw -> tables

    @abc.abstractmethod
    def plan(self, raw: RawRelease, shards: int) -> Plan:
        """Cut a release into shards.

        Raises
        ------
        IncompleteReleaseError
            If the raw files hold fewer records than the full space and ``raw.partial`` is false,
            as far as that can be seen without decoding; assembly checks the rest.
        RawDataError
            If the structure of a file is wrong.
        """

    @abc.abstractmethod
    def decode(self, raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
        """Turn one shard of `plan` into batches of bounded size.

        The union of all shards is the same for any number of shards. An architecture's row may
        come more than once; assembly refuses rows that disagree.

        Raises
        ------
        RawDataError
            With file, member or offset, what was expected, what was found, what to do.
        """

    @abc.abstractmethod
    def reread(self, raw: RawRelease, places: Iterable[Place]) -> Iterator[Reread]:
        """Read trials a second time, by code that has nothing in common with `decode`.

        Parameters
        ----------
        raw
            The raw files.
        places
            Where the trials stand, in order of file, group, offset and position. Where records
            stand one after the other in a pickle, the first place is that of the first record.

        Yields
        ------
        Reread
            At least the trials at these places; of an architecture in a pickle, all of them, and
            of a file of jobs the one after the last place.
        """

    def unread(self, raw: RawRelease, files: Mapping[str, int]) -> Iterable[str]:  # noqa: ARG002
        """What of the raw files holds trials that nobody has read.

        Parameters
        ----------
        raw
            The release.
        files
            Files, or members of the archive, that trials come from, and the byte behind the last
            record in each; 0 where it is not known.
        """
        return ()

    def rereads_from_start(self, raw: RawRelease) -> bool:  # noqa: ARG002
        """Whether `reread` cannot leave out a record: the file can only be read from its start."""
        return False

    # ------------------------------------------------------------------ tables -> more tables

    @abc.abstractmethod
    def costs(self, architectures: pa.Table) -> pa.Table:
        """Rows of ``costs`` for a batch of rows of ``architectures``, in key order."""

    @abc.abstractmethod
    def annotate(self, costs: pa.Table, trials: pa.Table) -> Iterable[Mapping[str, Any]]:
        """Notes on single rows of a batch of ``trials``, as rows of ``notes`` without ``note_id``.

        ``costs`` holds at least the rows of `costs` for the architectures of ``trials``, in key
        order. ``key`` is JSON as ``json.dumps({"trial_id": 12})`` writes it. Notes of kind ``nan``
        are generic and not made here.
        """

    @abc.abstractmethod
    def facts(self, release: str) -> Facts:
        """The hand-written tables of a release."""

    @abc.abstractmethod
    def checks(self) -> Sequence[Check]:
        """The checks of this benchmark, run on the built artifacts."""

    def rank_runs(self, order: pa.Table) -> pa.Table:
        """The columns `run_order` of some trials, as values that ascend with the run."""
        return order

    # ------------------------------------------------------------------ architectures

    @abc.abstractmethod
    def encode(self, architecture: Any) -> str:
        """Canonical text of an architecture in any encoding of the space (``SpaceError`` if none).

        nb101: hash; nb201, nats_tss, nats_sss: architecture string; nds: canonical JSON of the
        specification.
        """

    @abc.abstractmethod
    def decode_architecture(self, text: str) -> Mapping[str, Any]:
        """The columns of ``architectures`` (without ``arch_id``) that follow from the text."""

    # ------------------------------------------------------------------ sample releases

    @abc.abstractmethod
    def write_sample(
        self,
        out: Path,
        *,
        architectures: int,
        seed: int,
        options: Mapping[str, Any],
        progress: Progress,
    ) -> Sequence[Mapping[str, Any]]:
        """Write a made-up release in upstream's exact format.

        Returns the ``files`` rows of its sources table (``name``, ``form``, ``urls`` relative to
        ``out``, ``bytes``, ``sha256``). The bytes depend on the arguments alone.
        """
