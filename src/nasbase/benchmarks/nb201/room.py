"""NAS-Bench-201: the topology space in one file of ``torch.save``, read as one stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.release import (
    REPORT,
    add_records,
    check_complete,
    check_entry,
    check_evaluated,
    check_keys,
    check_listed,
    check_total,
    first_difference,
)
from nasbase.benchmarks.nats_common.room import TopologyRoom
from nasbase.benchmarks.room import Batch, Plan, Progress, RawFile, RawRelease
from nasbase.errors import RawDataError

if TYPE_CHECKING:
    from nasbase.benchmarks.reread import Place, Reread
    from nasbase.checks.check import Check

BATCH_BYTES = 32 << 20
HPS = ("full", "less")
"""Names of an architecture's records: the schedules of 200 and of 12 epochs."""

TITLE = "NAS-Bench-201"
FORM = "a file of torch.save (.pth)"


class NasBench201(TopologyRoom):
    """15,625 cells, trained for 12 and for 200 epochs."""

    name = "nb201"
    title = TITLE
    max_shards = 1
    disk_factor = 2.0  # with NNI's database; 1.2 measured on a sample
    # The later release, which nobody should have to wait for: it does not wait for this one.
    counterpart = "nats_tss"

    # ------------------------------------------------------------------ raw -> tables

    def plan(self, raw: RawRelease, shards: int) -> Plan:
        """One shard: the file is one stream. Its container and first entry are looked at."""
        from nasbase.containers.pickle_stream import EntryStream
        from nasbase.containers.torch_file import locate

        file = raw.only_file(FORM)
        with locate(file.path).open() as stream:
            entries = EntryStream(stream, where=file.name)
            if next(iter(entries), None) is None:
                check_complete(raw, set(), topology.SIZE, file.name)
            if "meta_archs" in entries.head and not raw.partial:
                check_listed(entries.head["meta_archs"], topology.enumeration(), TITLE, file.name)
        expected = {} if raw.partial else {"architectures": topology.SIZE}
        return Plan([{"stream": True}, *({} for _ in range(shards - 1))], expected)

    def decode(self, raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
        """Entries of the file as batches of some 32 MB."""
        from nasbase.benchmarks.nats_common.record import TrialRows
        from nasbase.containers.pickle_stream import EntryStream
        from nasbase.containers.torch_file import locate

        if not shard:
            return
        file = raw.only_file(FORM)
        found = locate(file.path)
        rows = TrialRows(self.name, topology.enumeration())
        indexes: list[int] = []
        seen: set[int] = set()
        position = 0
        with found.open() as stream:
            entries = EntryStream(stream, where=file.name)
            for entry in entries:
                where = f"{file.name}, byte {entry.start} of its pickle"
                check_entry(entry.key, seen, topology.SIZE, where)
                position += add_records(
                    rows,
                    entry.key,
                    entry.value,
                    hps=HPS,
                    required=HPS,
                    source_file=file.name,
                    position=position,
                    span=(entry.start, entry.end - entry.start),
                )
                indexes.append(entry.key)
                if rows.nbytes >= BATCH_BYTES:
                    yield Batch(self.architecture_rows(indexes), rows.flush())
                    indexes = []
        if indexes:
            yield Batch(self.architecture_rows(indexes), rows.flush())
        assert entries.end is not None  # the stream ends with its pickle  # noqa: S101
        found.check_end(entries.end)
        check_complete(raw, seen, topology.SIZE, file.name)
        _check_head(raw, file, entries.head, seen)

    def reread(self, raw: RawRelease, places: Iterable[Place]) -> Iterator[Reread]:
        """Entries from the bytes that the tables name, by Python's own unpickler."""
        from nasbase.benchmarks.nats_common import reread

        file = raw.only_file(FORM)
        return reread.reread_torch_file(file.path, file.name, places)

    def unread(self, raw: RawRelease, files: Mapping[str, int]) -> Iterable[str]:
        """The entry behind the last one, if there is one."""
        from nasbase.benchmarks.nats_common import reread

        file = raw.only_file(FORM)
        end = files.get(file.name, 0)
        return [f"the entry at byte {end}"] if reread.unread_entry(file.path, end) else []

    def checks(self) -> Sequence[Check]:
        """What every build of records must be, and what NATS-Bench says of the same trainings."""
        from nasbase.benchmarks.nb201.checks import counterpart_checks

        return (*super().checks(), *counterpart_checks())

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


# ---------------------------------------------------------------------------------------------
# checks of a whole file


def _check_head(raw: RawRelease, file: RawFile, head: Mapping[Any, Any], seen: set[int]) -> None:
    """What stands beside the records must agree with them."""
    check_keys(head, file.name)
    listed = head["meta_archs"]
    if raw.partial:
        _check_listed_in_part(listed, file, seen)
    else:
        check_listed(listed, topology.enumeration(), TITLE, file.name)
    check_total(head["total_archs"], {len(listed), topology.SIZE}, file.name)
    check_evaluated(head["evaluated_indexes"], (seen,), file.name)


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
        found=first_difference(listed, strings),
        todo=REPORT,
    )
