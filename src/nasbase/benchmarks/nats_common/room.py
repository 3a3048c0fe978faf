"""What the rooms of NATS-Bench's two spaces share: the archives and the sample releases."""

from __future__ import annotations

import abc
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nasbase.benchmarks.nats_common import facts, topology
from nasbase.benchmarks.nats_common.datasets import DATASETS
from nasbase.benchmarks.nats_common.release import (
    REPORT,
    add_records,
    check_complete,
    check_entry,
    check_evaluated,
    check_keys,
    check_listed,
    check_total,
)
from nasbase.benchmarks.room import Batch, Facts, Plan, Progress, RawFile, RawRelease, Room
from nasbase.errors import RawDataError

if TYPE_CHECKING:
    import pyarrow as pa

    from nasbase.benchmarks.nats_common.record import TrialRows
    from nasbase.benchmarks.reread import Place, Reread
    from nasbase.checks.check import Check
    from nasbase.containers.tar_index import Member

MEMBERS = re.compile(r"(meta|\d{1,6})\.pickle\.pbz2")
"""Names of an archive's files: upstream reads ``000011.pickle.pbz2`` and ``11.pickle.pbz2``."""

META = "meta.pickle.pbz2"
FORMS = "a tar, a directory or a pickle: one of them"

BATCH_BYTES = 64 << 20
MEMBER_LIMIT = 256 << 20
"""Most bytes of one unpacked member: simple ones have 0.3 MB, those with weights some 30 MB."""

STREAM_RATIO = 64
"""Most bytes that a byte of the benchmark file may unpack to; really about 4."""


class TableRoom(Room):
    """A room of ``ArchResults`` records: what follows from its search space.

    Attributes
    ----------
    schedules
        Lengths of the training schedules that every architecture has.
    """

    datasets = DATASETS
    schedules: tuple[int, ...]

    @abc.abstractmethod
    def enumeration(self) -> Sequence[str]:
        """All architecture strings by index."""

    @abc.abstractmethod
    def architecture_costs(self, text: str, dataset: str) -> tuple[int, int]:
        """Parameters and multiply-accumulates of one architecture."""

    def architecture_rows(self, indexes: Sequence[int]) -> pa.Table:
        """Rows of the shard table ``architectures``."""
        import pyarrow as pa

        from nasbase.tables.shards import shard_architectures

        strings = self.enumeration()
        rows = [{"arch_id": index, **self.decode_architecture(strings[index])} for index in indexes]
        return pa.Table.from_pylist(rows, schema=shard_architectures(self.name))

    def costs(self, architectures: pa.Table) -> pa.Table:
        """Rows of ``costs``: four data sets per architecture, in lexical order."""
        from nasbase.benchmarks.nats_common import derived

        return derived.cost_rows(self.name, architectures, self.architecture_costs)

    def annotate(self, costs: pa.Table, trials: pa.Table) -> Iterable[Mapping[str, Any]]:
        """Notes on trials whose recorded sizes are not those of their architecture."""
        from nasbase.benchmarks.nats_common import derived

        return derived.size_errata(costs, trials)

    def facts(self, release: str) -> Facts:
        """How the networks were trained, images per split, and what columns do not say."""
        return facts.facts(self.name, release)

    def checks(self) -> Sequence[Check]:
        """What must hold beyond the checks of every benchmark."""
        from nasbase.benchmarks.nats_common import checks, patterns

        return (*checks.record_checks(self), *patterns.pattern_checks(self))


class TopologyRoom(TableRoom):
    """A room of the topology space, whichever release its records come from."""

    space_size = topology.SIZE
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


class ArchiveRoom(TableRoom):
    """A room whose release is one archive of members, one member per architecture.

    The same records come as a tar of small files, as a directory of them (packed into a tar before
    it gets here), and as one large pickle.

    Attributes
    ----------
    archive
        Name of the sample's files up to what tells the forms apart.
    always
        Indexes that every sample holds.
    """

    archive: str
    always: tuple[int, ...]
    hps: tuple[str, ...]

    # ------------------------------------------------------------------ raw -> tables

    def plan(self, raw: RawRelease, shards: int) -> Plan:
        """Cut an archive into ranges of members; the large pickle is one shard."""
        file = raw.only_file(FORMS)
        if file.form == "pickle":
            whole = () if raw.partial else (("architectures", len(self.enumeration())),)
            return Plan([{"stream": True}, *({} for _ in range(shards - 1))], dict(whole))
        members = self._members(raw, file)
        bounds = [len(members) * i // shards for i in range(shards + 1)]
        return Plan(
            [_as_shard(members[i:j]) for i, j in itertools.pairwise(bounds)],
            {"architectures": len(members)},
        )

    def _members(self, raw: RawRelease, file: RawFile) -> list[tuple[int, Member]]:
        from nasbase.containers.pickles import load
        from nasbase.containers.tar_index import index_tar, read_member

        found: dict[int, Member] = {}
        meta: Member | None = None
        for member in index_tar(file.path, MEMBERS):
            if member.name == META:
                meta = member
                continue
            index = int(member.name.split(".", 1)[0])
            if index in found:
                raise RawDataError(
                    "An archive holds an architecture twice.",
                    where=file.name,
                    expected=f"one member for architecture {index}",
                    found=f"{found[index].name} and {member.name}",
                    todo=REPORT,
                )
            found[index] = member
        if meta is None:
            raise RawDataError(
                "An archive has no list of architectures.",
                where=file.name,
                expected=META,
                found=f"{len(found)} other members",
                todo="Copy the whole archive: upstream's reader needs this file too.",
            )
        with file.path.open("rb") as stream:
            data = read_member(stream.fileno(), meta.offset, meta.size, where=file.name)
        where = f"{file.name}, {META}"
        self._check_meta(load(_unpacked(data, where), where=where), where)
        self._check_complete(raw, found, file)
        return sorted(found.items())

    def _check_meta(self, meta: Any, where: str) -> None:
        strings = self.enumeration()
        check_keys(meta, where)
        check_listed(meta["meta_archs"], strings, self.title, where)
        check_total(meta["total_archs"], {len(strings)}, where)

    def _check_complete(self, raw: RawRelease, found: Iterable[int], file: RawFile) -> None:
        size = len(self.enumeration())
        outside = sorted(set(found) - set(range(size)))
        if outside:
            raise RawDataError(
                "A release holds an architecture outside its space.",
                where=file.name,
                expected=f"indexes 0 to {size - 1}",
                found=outside[:5],
                todo=REPORT,
            )
        check_complete(raw, set(found), size, file.name)

    def decode(self, raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
        """Members, or entries of the large pickle, as batches of some 64 MB."""
        from nasbase.benchmarks.nats_common.record import TrialRows

        if not shard:
            return
        file = raw.only_file(FORMS)
        rows = TrialRows(self.name, self.enumeration())
        added = (
            self._add_entries(rows, raw, file)
            if shard.get("stream")
            else self._add_members(rows, file, shard)
        )
        indexes: list[int] = []
        for index in added:
            indexes.append(index)
            if rows.nbytes >= BATCH_BYTES:
                yield Batch(self.architecture_rows(indexes), rows.flush())
                indexes = []
        if indexes:
            yield Batch(self.architecture_rows(indexes), rows.flush())

    def _add_members(
        self, rows: TrialRows, file: RawFile, shard: Mapping[str, Any]
    ) -> Iterator[int]:
        from nasbase.benchmarks.nats_common.members import Members
        from nasbase.containers.tar_index import read_member

        members = Members(rows, self.hps, self.enumeration())
        columns = (shard[name] for name in ("index", "name", "offset", "size"))
        with file.path.open("rb") as stream:
            for index, name, offset, size in zip(*columns, strict=True):
                where = f"{file.name}, {name}"
                data = read_member(stream.fileno(), offset, size, where=where)
                members.add(index, _unpacked(data, where), name=name, where=where)
                yield index

    def _add_entries(self, rows: TrialRows, raw: RawRelease, file: RawFile) -> Iterator[int]:
        from nasbase.containers.pickle_stream import EntryStream

        with file.path.open("rb") as compressed:
            stream = EntryStream(_bounded(compressed, file), key="arch2infos", where=file.name)
            seen: set[int] = set()
            size = len(self.enumeration())
            position = 0
            for entry in stream:
                where = f"{file.name}, byte {entry.start} of its contents"
                check_entry(entry.key, seen, size, where)
                position += add_records(
                    rows,
                    entry.key,
                    entry.value,
                    hps=self.hps,
                    source_file=file.name,
                    position=position,
                    span=(entry.start, entry.end - entry.start),
                )
                yield entry.key
            self._check_meta(stream.head, file.name)
            self._check_complete(raw, seen, file)
            check_evaluated(stream.head["evaluated_indexes"], (set(), seen), file.name)

    def reread(self, raw: RawRelease, places: Iterable[Place]) -> Iterator[Reread]:
        """Members, or entries of the large pickle, by the standard library's unpicklers."""
        from nasbase.benchmarks.nats_common import reread

        file = raw.only_file(FORMS)
        if file.form == "pickle":
            return reread.reread_large_pickle(file.path, file.name, places)
        return reread.reread_members(file.path, places)

    def unread(self, raw: RawRelease, files: Mapping[str, int]) -> Iterable[str]:
        """Members beside those named; a pickle has none."""
        from nasbase.benchmarks.nats_common import reread

        file = raw.only_file(FORMS)
        return () if file.form == "pickle" else reread.unread_members(file.path, files)

    def rereads_from_start(self, raw: RawRelease) -> bool:
        """The large pickle numbers its objects by counting, and is compressed as a whole."""
        return raw.only_file(FORMS).form == "pickle"

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
        """Write a made-up release; ``options["form"]``: ``tar``, ``dir``, ``pickle`` or ``all``."""
        from nasbase.benchmarks.nats_common import archives

        return archives.write(
            self,
            out,
            architectures=architectures,
            seed=seed,
            options=options,
            progress=progress,
        )


def _as_shard(members: Sequence[tuple[int, Member]]) -> dict[str, Any]:
    if not members:
        return {}
    return {
        "index": [index for index, _ in members],
        "name": [member.name for _, member in members],
        "offset": [member.offset for _, member in members],
        "size": [member.size for _, member in members],
    }


def _unpacked(data: bytes, where: str) -> bytes:
    from nasbase.containers.pickles import decompress

    return decompress(data, limit=MEMBER_LIMIT, where=where)


def _bounded(compressed: BinaryIO, file: RawFile) -> BinaryIO:
    import io

    from nasbase.containers.pickles import BoundedBz2

    size = os.fstat(compressed.fileno()).st_size
    limit = MEMBER_LIMIT + STREAM_RATIO * size
    return io.BufferedReader(BoundedBz2(compressed, limit=limit, where=file.name), 1 << 20)
