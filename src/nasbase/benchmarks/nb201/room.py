"""NAS-Bench-201: the topology space in one file of ``torch.save``, read as one stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.datasets import EPOCHS
from nasbase.benchmarks.nats_common.room import TableRoom
from nasbase.benchmarks.room import Batch, Plan, Progress, RawFile, RawRelease
from nasbase.errors import IncompleteReleaseError, RawDataError

if TYPE_CHECKING:
    from nasbase.benchmarks.nats_common.record import TrialRows

BATCH_BYTES = 32 << 20
HEAD_KEYS = frozenset(("meta_archs", "total_archs", "evaluated_indexes"))
HPS = ("full", "less")
"""Names of an architecture's records: the schedules of 200 and of 12 epochs."""

_REPORT = "If the file's digest is the published one, please report it."


class NasBench201(TableRoom):
    """15,625 cells, trained for 12 and for 200 epochs."""

    name = "nb201"
    title = "NAS-Bench-201"
    aliases = ("nasbench201",)
    space_size = topology.SIZE
    max_shards = 1
    schedules = (12, 200)

    def enumeration(self) -> Sequence[str]:
        """All architecture strings by index."""
        return topology.enumeration()

    def architecture_costs(self, text: str, dataset: str) -> tuple[int, int]:
        """Parameters and multiply-accumulates of one architecture."""
        return topology.costs(text, dataset)

    def encode(self, architecture: Any) -> str:
        """Architecture string of an architecture in any encoding of the space."""
        return topology.encode(architecture)

    def decode_architecture(self, text: str) -> Mapping[str, Any]:
        """Operations by edge, and the isomorphism class."""
        return topology.columns(text)

    # ------------------------------------------------------------------ raw -> tables

    def plan(self, raw: RawRelease, shards: int) -> Plan:
        """One shard: the file is one stream. Its container and first entry are looked at."""
        from nasbase.containers.pickle_stream import EntryStream
        from nasbase.containers.torch_file import locate

        file = _only_file(raw)
        with locate(file.path).open() as stream:
            entries = EntryStream(stream, where=file.name)
            if next(iter(entries), None) is None:
                _check_complete(raw, file, set())
            if "meta_archs" in entries.head and not raw.partial:
                _check_listed(entries.head["meta_archs"], file)
        expected = {} if raw.partial else {"architectures": topology.SIZE}
        return Plan([{"stream": True}, *({} for _ in range(shards - 1))], expected)

    def decode(self, raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
        """Entries of the file as batches of some 32 MB."""
        from nasbase.benchmarks.nats_common.record import TrialRows
        from nasbase.containers.pickle_stream import EntryStream
        from nasbase.containers.torch_file import locate

        if not shard:
            return
        file = _only_file(raw)
        found = locate(file.path)
        rows = TrialRows(self.name, topology.enumeration())
        indexes: list[int] = []
        seen: set[int] = set()
        position = 0
        with found.open() as stream:
            entries = EntryStream(stream, where=file.name)
            for entry in entries:
                where = f"{file.name}, byte {entry.start} of its pickle"
                _check_index(entry.key, seen, where)
                position += _add(rows, entry.key, entry.value, file, position)
                indexes.append(entry.key)
                if rows.nbytes >= BATCH_BYTES:
                    yield Batch(self.architecture_rows(indexes), rows.flush())
                    indexes = []
        if indexes:
            yield Batch(self.architecture_rows(indexes), rows.flush())
        assert entries.end is not None  # the stream ends with its pickle  # noqa: S101
        found.check_end(entries.end)
        _check_complete(raw, file, seen)
        _check_head(raw, file, entries.head, seen)

    # ------------------------------------------------------------------ sample releases

    def write_sample(
        self,
        out: Path,
        *,
        architectures: int,
        seed: int,
        options: Mapping[str, Any],
        progress: Progress,
    ) -> Sequence[Mapping[str, Any]]:
        """Write a made-up release.

        Options: ``container`` (``legacy`` or ``zip``), ``version`` (``1.1`` or ``1.0``: what
        upstream released of each record) and ``order`` of the entries (``index`` or ``shuffled``).
        """
        from nasbase.benchmarks.nb201 import sample

        return sample.write(
            out, architectures=architectures, seed=seed, options=options, progress=progress
        )


def _only_file(raw: RawRelease) -> RawFile:
    if len(raw.files) != 1:
        raise RawDataError(
            f"{raw.where} is one file.",
            where=raw.where,
            expected="a file of torch.save (.pth)",
            found=", ".join(file.name for file in raw.files) or "no file",
            todo="Give the release one file in the sources table.",
        )
    return raw.files[0]


def _add(rows: TrialRows, index: int, record: Any, file: RawFile, position: int) -> int:
    """Add both records of one architecture, in stored order; the number of trials."""
    if not isinstance(record, Mapping) or set(record) != set(HPS):
        keys = list(map(repr, record)) if isinstance(record, Mapping) else type(record).__name__
        raise RawDataError(
            "An architecture does not have the two records of NAS-Bench-201.",
            where=f"{file.name}, architecture {index}",
            expected=", ".join(HPS),
            found=str(keys)[:200],
            todo=_REPORT,
        )
    added = 0
    for hp, state in record.items():
        added += rows.add(
            index, EPOCHS[hp], state, source_file=file.name, first_pos=position + added
        )
    return added


# ---------------------------------------------------------------------------------------------
# checks of a whole file


def _check_index(index: Any, seen: set[int], where: str) -> None:
    if type(index) is not int or not 0 <= index < topology.SIZE or index in seen:
        raise RawDataError(
            "A file has an entry that is no architecture's, or a second one.",
            where=where,
            expected=f"each index from 0 to {topology.SIZE - 1} once",
            found=repr(index)[:200],
            todo=_REPORT,
        )
    seen.add(index)


def _check_complete(raw: RawRelease, file: RawFile, seen: set[int]) -> None:
    if len(seen) == topology.SIZE or (seen and raw.partial):
        return
    missing = sorted(set(range(topology.SIZE)) - seen)
    raise IncompleteReleaseError(
        f"{raw.where} holds fewer architectures than its space.",
        where=file.name,
        expected=f"{topology.SIZE} architectures",
        found=f"{len(seen)}; the first missing indexes are {missing[:5]}",
        todo="Fetch the whole release, or declare it partial: snakemake --config partial=true.",
    )


def _check_head(raw: RawRelease, file: RawFile, head: Mapping[Any, Any], seen: set[int]) -> None:
    """What stands beside the records must agree with them."""
    if not head.keys() >= HEAD_KEYS:
        raise RawDataError(
            "A file lacks a part of NAS-Bench-201.",
            where=file.name,
            expected=", ".join(sorted(HEAD_KEYS)),
            found=", ".join(sorted(map(str, head)))[:200],
            todo=_REPORT,
        )
    listed = head["meta_archs"]
    if raw.partial:
        _check_listed_in_part(listed, file, seen)
    else:
        _check_listed(listed, file)
    if head["total_archs"] not in (len(listed), topology.SIZE):
        raise RawDataError(
            "The release counts other architectures than it lists.",
            where=f"{file.name}, total_archs",
            expected=len(listed),
            found=repr(head["total_archs"])[:200],
            todo=_REPORT,
        )
    evaluated = head["evaluated_indexes"]
    same = isinstance(evaluated, list | set) and len(evaluated) == len(seen)
    if not same or set(map(repr, evaluated)) != set(map(repr, seen)):
        raise RawDataError(
            "evaluated_indexes does not list the entries of its file.",
            where=f"{file.name}, evaluated_indexes",
            expected=f"{len(seen)} indexes, each once",
            found=f"{len(evaluated)} indexes"
            if isinstance(evaluated, list | set)
            else type(evaluated).__name__,
            todo=_REPORT,
        )


def _check_listed(listed: Any, file: RawFile) -> None:
    """``meta_archs`` is the space; without this, indexes would mean other architectures."""
    strings = topology.enumeration()
    if isinstance(listed, list) and tuple(listed) == strings:
        return
    raise RawDataError(
        "The release lists other architectures than its space.",
        where=f"{file.name}, meta_archs",
        expected=f"the {len(strings)} architectures of NAS-Bench-201",
        found=_first_difference(listed, strings),
        todo=_REPORT,
    )


def _check_listed_in_part(listed: Any, file: RawFile, seen: set[int]) -> None:
    """``meta_archs`` of a partial file: the space, its beginning, or the entries of the file.

    Each entry has already been compared with the architecture at its index.
    """
    strings = topology.enumeration()
    if isinstance(listed, list):
        cut = tuple(listed) == strings[: len(listed)] and len(listed) > max(seen)
        own = len(listed) == len(seen) and set(map(str, listed)) == {strings[i] for i in seen}
        if cut or own:
            return
    raise RawDataError(
        "The release lists other architectures than it holds.",
        where=f"{file.name}, meta_archs",
        expected=f"the architectures of NAS-Bench-201, or the {len(seen)} of this file",
        found=_first_difference(listed, strings),
        todo=_REPORT,
    )


def _first_difference(listed: Any, strings: Sequence[str]) -> str:
    if not isinstance(listed, list):
        return type(listed).__name__
    for index, (one, other) in enumerate(zip(listed, strings, strict=False)):
        if one != other:
            return f"at index {index} {one!r} instead of {other!r}"[:400]
    return f"{len(listed)} architectures"
