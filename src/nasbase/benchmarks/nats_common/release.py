"""What every form of a release of ``ArchResults`` records must agree with: its search space."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks.nats_common.datasets import EPOCHS
from nasbase.benchmarks.room import RawRelease
from nasbase.errors import IncompleteReleaseError, RawDataError

if TYPE_CHECKING:
    from nasbase.benchmarks.nats_common.record import TrialRows

HEAD_KEYS = frozenset(("meta_archs", "total_archs", "evaluated_indexes"))
"""What stands beside the records, in the archives' meta and in the large files."""

REPORT = "If the file's digest is the published one, please report it."


def add_records(
    rows: TrialRows,
    index: int,
    record: Any,
    *,
    hps: Collection[str],
    required: Collection[str] = (),
    source_file: str,
    position: int,
    span: tuple[int, int] | None = None,
) -> int:
    """Add the records of all schedules of one architecture, in stored order.

    Parameters
    ----------
    rows
        Receives the trials.
    index
        The architecture.
    record
        Schedule (``12``, ``full``, ...) -> ``ArchResults`` state.
    hps
        Names of the schedules of the benchmark.
    required
        Those that every architecture must have.
    source_file, position
        Where the first trial stands.
    span
        First byte and number of bytes of the architecture's entry; None: all of ``source_file``.

    Returns
    -------
    int
        Number of trials added.
    """
    keys = record.keys() if isinstance(record, Mapping) else set()
    if not keys or not set(required) <= keys <= set(hps):
        found = list(map(repr, record)) if isinstance(record, Mapping) else type(record).__name__
        raise RawDataError(
            "An architecture has other schedules than its space.",
            where=f"{source_file}, architecture {index}",
            expected=", ".join(hps),
            found=str(found)[:200],
            todo=REPORT,
        )
    added = 0
    for hp, state in record.items():
        added += rows.add(
            index, EPOCHS[hp], state, source_file=source_file, first_pos=position + added, span=span
        )
    return added


def check_entry(index: Any, seen: set[int], size: int, where: str) -> None:
    """An entry of a large file names an architecture, and each only once."""
    if type(index) is not int or not 0 <= index < size or index in seen:
        raise RawDataError(
            "A file has an entry that is no architecture's, or a second one.",
            where=where,
            expected=f"each index from 0 to {size - 1} once",
            found=repr(index)[:200],
            todo=REPORT,
        )
    seen.add(index)


def check_complete(raw: RawRelease, seen: Collection[int], size: int, where: str) -> None:
    """All architectures of the space are there, or some of them in a partial release."""
    if len(seen) == size or (seen and raw.partial):
        return
    missing = sorted(set(range(size)) - set(seen))
    raise IncompleteReleaseError(
        f"{raw.where} holds fewer architectures than its space.",
        where=where,
        expected=f"{size} architectures",
        found=f"{len(seen)}; the first missing indexes are {missing[:5]}",
        todo="Fetch the whole release, or declare it partial: snakemake --config partial=true.",
    )


def check_keys(head: Any, where: str) -> None:
    """The list of architectures and its companions are there."""
    if not isinstance(head, Mapping) or not head.keys() >= HEAD_KEYS:
        raise RawDataError(
            "The list of architectures has another structure.",
            where=where,
            expected=f"a dict with {', '.join(sorted(HEAD_KEYS))}",
            found=", ".join(sorted(map(str, head)))[:200]
            if isinstance(head, Mapping)
            else type(head).__name__,
            todo=REPORT,
        )


def check_listed(listed: Any, strings: Sequence[str], title: str, where: str) -> None:
    """``meta_archs`` is the space; without this, indexes would mean other architectures."""
    if not isinstance(listed, list) or tuple(listed) != tuple(strings):
        raise RawDataError(
            "The release lists other architectures than its space.",
            where=f"{where}, meta_archs",
            expected=f"the {len(strings)} architectures of {title}",
            found=first_difference(listed, strings),
            todo=REPORT,
        )


def check_total(total: Any, allowed: Collection[int], where: str) -> None:
    """``total_archs`` counts what ``meta_archs`` lists."""
    if total not in allowed:
        raise RawDataError(
            "The release counts other architectures than it lists.",
            where=f"{where}, total_archs",
            expected=" or ".join(str(count) for count in sorted(set(allowed))),
            found=repr(total)[:200],
            todo=REPORT,
        )


def check_evaluated(evaluated: Any, allowed: Collection[set[int]], where: str) -> None:
    """``evaluated_indexes`` lists the entries of its file; the archives' meta leaves it empty."""
    plain = isinstance(evaluated, set | list) and all(type(i) is int for i in evaluated)
    distinct = plain and len(set(evaluated)) == len(evaluated)
    if not distinct or set(evaluated) not in allowed:
        raise RawDataError(
            "evaluated_indexes does not list the entries of its file.",
            where=f"{where}, evaluated_indexes",
            expected=f"{max(map(len, allowed))} indexes, each once",
            found=f"{len(evaluated)} indexes"
            if isinstance(evaluated, list | set)
            else type(evaluated).__name__,
            todo=REPORT,
        )


def first_difference(listed: Any, strings: Sequence[str]) -> str:
    """Where a list of architectures leaves the space's own, in words."""
    if not isinstance(listed, list):
        return type(listed).__name__
    for index, (one, other) in enumerate(zip(listed, strings, strict=False)):
        if one != other:
            return f"at index {index} {one!r} instead of {other!r}"[:400]
    return f"{len(listed)} architectures"
