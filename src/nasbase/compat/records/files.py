"""Records of upstream's own files: directories and tars of members, pickles, files of torch.

Nothing but the names that releases use is ever imported or called (`nasbase.containers.pickles`).
"""

from __future__ import annotations

import copy
import io
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nasbase.benchmarks.nats_common.room import MEMBER_LIMIT, MEMBERS, META, STREAM_RATIO
from nasbase.compat.records.library import Library
from nasbase.compat.records.results import ArchResults
from nasbase.containers.float_map import FloatMap
from nasbase.containers.pickle_stream import EntryStream
from nasbase.containers.pickles import BoundedBz2, TypedUnpickler, decompress, load
from nasbase.containers.tar_index import Member, index_tar, read_member
from nasbase.containers.torch_file import locate
from nasbase.errors import SourceError

STREAMED = 16 << 20
"""Compressed bytes from which on a pickle is read as a stream, to keep its numbers as arrays."""

TORCH_LIMIT = 64 << 20
"""Most bytes of a torch file that is read into plain objects."""

EXTENSION = "pickle.pbz2"


def load_pickle(path: str | Path, ext: str = ".pbz2") -> Any:
    """The object of a compressed pickle, for which ``ext`` may be left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    RawDataError
        If the pickle asks for a name that no release uses, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        path = path.with_name(path.name + ext)
    return unpickled(path.read_bytes(), path)


def unpickled(data: bytes, where: object) -> Any:
    """The object of a compressed pickle in memory; ``where`` names it in errors."""
    unpacked = decompress(data, limit=MEMBER_LIMIT, where=where)
    return load(unpacked, where=where, unpickler=TypedUnpickler)


# ---------------------------------------------------------------------------------------------
# members


class MemberLibrary(Library):
    """Members of a directory or of a tar, one per architecture.

    Parameters
    ----------
    path
        The directory or the tar.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._last: tuple[int, dict[str, Any]] = (-1, {})
        self._hps: list[str] | None = None

    @property
    def meta_archs(self) -> list[str]:
        """Every architecture of the space, as the archive lists them."""
        return self._meta()["meta_archs"]

    def _meta(self) -> Any:
        return load_pickle(self.path / META.removesuffix(".pbz2"))

    def indexes(self) -> Sequence[int]:
        """Architectures that have a member."""
        names = [entry.name for entry in self.path.iterdir() if MEMBERS.fullmatch(entry.name)]
        return sorted({int(name.split(".")[0]) for name in names if name != META})

    def all_hps(self) -> Sequence[str]:
        """Schedules of the first member: all members of a release have the same."""
        if self._hps is None:
            first = next(iter(self.indexes()), None)
            self._hps = [] if first is None else list(self.hps(first))
        return self._hps

    def hps(self, index: int) -> Sequence[str]:
        """Schedules of a member, which is read anew: its file may have been replaced."""
        self._last = (-1, {})
        return list(self._member(index))

    def record(self, index: int, hp: str) -> ArchResults:
        """The trainings of a member with one schedule."""
        return ArchResults.create_from_state_dict(self._member(index)[hp])

    def entry(self, index: int) -> OrderedDict[str, ArchResults]:
        """The records of a member by schedule."""
        states = self._member(index)
        self._last = (-1, {})  # its dictionaries now belong to the objects
        make = ArchResults.create_from_state_dict
        return OrderedDict((hp, make(state)) for hp, state in states.items())

    def _member(self, index: int) -> dict[str, Any]:
        """Schedule -> state; the last one read is kept, because `hps` and `record` both want it."""
        if self._last[0] != index:
            data, where = self._read(index)
            found = unpickled(data, where)
            if not isinstance(found, dict):
                raise AssertionError(f"invalid format of data in {where}")
            self._last = (index, found)
        return self._last[1]

    def _read(self, index: int) -> tuple[bytes, str]:
        path = self.path / f"{index:06d}.{EXTENSION}"
        if not path.is_file():
            path = self.path / f"{index:d}.{EXTENSION}"
        if not path.is_file():
            raise AssertionError(f"invalid data path : {path}")
        return path.read_bytes(), str(path)


class TarLibrary(MemberLibrary):
    """Members of a tar, which is never unpacked."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._index: dict[int, Member] = {}
        self._list: Member | None = None
        for member in index_tar(self.path, MEMBERS):
            if member.name == META:
                self._list = member
            else:
                self._index[int(member.name.split(".")[0])] = member

    def _meta(self) -> Any:
        if self._list is None:
            raise FileNotFoundError(f"{self.path} holds no {META}")
        return unpickled(self._bytes(self._list), f"{self.path}, {META}")

    def indexes(self) -> Sequence[int]:
        """Architectures that have a member."""
        return sorted(self._index)

    def _read(self, index: int) -> tuple[bytes, str]:
        if index not in self._index:
            raise AssertionError(f"invalid data path : {self.path}, {index:06d}.{EXTENSION}")
        member = self._index[index]
        return self._bytes(member), f"{self.path}, {member.name}"

    def _bytes(self, member: Member) -> bytes:
        with self.path.open("rb") as file:
            return read_member(file.fileno(), member.offset, member.size, where=self.path.name)


# ---------------------------------------------------------------------------------------------
# one large file


class LargeLibrary(Library):
    """The records of one large file, kept as arrays instead of dictionaries.

    Parameters
    ----------
    entries
        Index -> name of a schedule in the file -> state.
    head
        What stands beside the records.
    """

    def __init__(
        self,
        entries: Mapping[int, dict[str, Any]],
        head: Mapping[str, Any],
    ) -> None:
        self._entries, self.head = entries, head

    @property
    def meta_archs(self) -> list[str]:
        """Every architecture, as the file lists them."""
        return self.head["meta_archs"]

    def indexes(self) -> Sequence[int]:
        """Architectures that the file holds."""
        return sorted(self._entries)

    def all_hps(self) -> Sequence[str]:
        """Schedules of any architecture."""
        return list(dict.fromkeys(hp for entry in self._entries.values() for hp in entry))

    def hps(self, index: int) -> Sequence[str]:
        """Schedules of one architecture."""
        return list(self._entries.get(index, ()))

    def record(self, index: int, hp: str) -> ArchResults:
        """The trainings of an architecture with one schedule."""
        return ArchResults.create_from_state_dict(_restored(self._entries[index][hp]))


def load_large(path: str | Path) -> Any:
    """A benchmark file: a dictionary as upstream has it, or a `LargeLibrary` of a large one."""
    path = Path(path)
    if path.stat().st_size < STREAMED:
        return load_pickle(path)
    with path.open("rb") as compressed:
        limit = MEMBER_LIMIT + STREAM_RATIO * os.fstat(compressed.fileno()).st_size
        unpacked = BoundedBz2(compressed, limit=limit, where=path.name)
        return _streamed(io.BufferedReader(unpacked, 1 << 20), path.name)


def _streamed(stream: BinaryIO, where: str) -> LargeLibrary:
    entries = EntryStream(stream, where=where)
    found = {entry.key: _compact(entry.value) for entry in entries}
    return LargeLibrary(found, entries.head)


def _compact(value: Any) -> Any:
    """The same with curves that never change kept as one number."""
    if isinstance(value, FloatMap):
        numbers = value.values_array
        if len(numbers) > 1 and (numbers.view(np.int64) == numbers.view(np.int64)[0]).all():
            repeated = np.broadcast_to(numbers[:1].copy(), numbers.shape)
            return FloatMap(value.keys_tuple, repeated)
        return value
    if isinstance(value, dict):
        return {key: _compact(item) for key, item in value.items()}
    return value


def _restored(state: Any) -> Any:
    """A state with upstream's types, in objects of its own.

    The stream gives numpy's scalars as plain numbers and ordered dictionaries as plain ones; every
    release has them in the same places.
    """
    if not isinstance(state, dict):
        return copy.deepcopy(state)
    return {
        key: {trial: _restored_result(result) for trial, result in value.items()}
        if key == "all_results"
        else copy.deepcopy(value)
        for key, value in state.items()
    }


def _restored_result(state: dict[str, Any]) -> dict[str, Any]:
    restored = {key: _restored_dict(value) for key, value in state.items()}
    if isinstance(restored.get("train_times"), dict):
        restored["train_times"] = OrderedDict(restored["train_times"])
    if isinstance(restored.get("params"), float):
        restored["params"] = np.float64(restored["params"])
    if isinstance(restored.get("latency"), list):
        restored["latency"] = [np.float64(value) for value in restored["latency"]]
    return restored


def _restored_dict(value: Any) -> Any:
    if isinstance(value, FloatMap):
        return dict(zip(value.keys_tuple, value.values_array.tolist(), strict=True))
    return copy.deepcopy(value)


def load_torch(path: str | Path) -> Any:
    """The object of a file of ``torch.save``, without torch.

    Raises
    ------
    SourceError
        If the file is too large to become plain objects.
    RawDataError
        If it is no such file, or holds something that no release holds.
    """
    path = Path(path)
    found = locate(path)
    size = found.size or path.stat().st_size
    if size > TORCH_LIMIT:
        raise SourceError(
            "This file is too large to be held in memory as plain objects.",
            where=path,
            expected=f"at most {TORCH_LIMIT} bytes",
            found=f"{size} bytes",
            todo="Build it, and open the build: snakemake --cores 8 --config benchmarks=nb201.",
        )
    with found.open() as stream:
        data = stream.read()
    return load(data, where=path.name, unpickler=TypedUnpickler, check_end=found.check_end)
