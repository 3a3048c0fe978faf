"""Made-up releases in upstream's three forms: a tar of members, a directory, one large pickle."""

from __future__ import annotations

import bz2
import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nasbase.benchmarks.nats_common.datasets import EPOCHS
from nasbase.benchmarks.nats_common.sample import arch_results
from nasbase.benchmarks.room import Progress
from nasbase.containers.pickles import dumps, numbered, renumbered
from nasbase.containers.tar_index import add_member, new_tar, pack_directory
from nasbase.errors import ConfigError

if TYPE_CHECKING:
    from nasbase.benchmarks.nats_common.room import ArchiveRoom

Made = TypeVar("Made")

FORMS = ("tar", "pickle", "dir")
META = "meta.pickle.pbz2"
_INLINE = 32  # fewer members are not worth starting processes
_PROTOCOL = 4


def write(
    room: ArchiveRoom,
    out: Path,
    *,
    architectures: int,
    seed: int,
    options: Mapping[str, Any],
    progress: Progress,
) -> Sequence[Mapping[str, Any]]:
    """Write a sample release; see `nasbase.benchmarks.room.Room.write_sample`."""
    forms = _forms(options)
    indexes = chosen_indexes(room, architectures, seed)
    out.mkdir(parents=True, exist_ok=True)
    if "tar" in forms or "dir" in forms:
        members = zip(indexes, _in_order(partial(_member_bytes, room, seed), indexes), strict=True)
        _write_members(room, out, members, forms, progress)
    if "pickle" in forms:
        path = out / f"{room.archive}.pickle.pbz2"
        with bz2.open(path, "wb") as file:
            file.writelines(_large_pickle(room, indexes, seed))
        progress(f"wrote {path.name}")
    return [_row(room, out, form) for form in FORMS if form in forms]


def _forms(options: Mapping[str, Any]) -> tuple[str, ...]:
    form = options.get("form", "tar")
    if set(options) - {"form"} or form not in (*FORMS, "all"):
        raise ConfigError(
            "A sample of NATS-Bench has one option, its form.",
            expected=f"form: {', '.join(FORMS)} or all",
            found=dict(options),
        )
    return FORMS if form == "all" else (form,)


def chosen_indexes(room: ArchiveRoom, architectures: int, seed: int) -> list[int]:
    """Ascending indexes of a sample: the room's own, and random ones up to the number asked for."""
    size = len(room.enumeration())
    rng = np.random.default_rng((seed, size))
    order = [*room.always, *rng.permutation(size).tolist()]
    count = min(max(architectures, len(room.always)), size)
    return sorted(list(dict.fromkeys(order))[:count])


def member(room: ArchiveRoom, index: int, seed: int) -> OrderedDict[str, dict[str, Any]]:
    """The records of one architecture; they depend on nothing but the arguments."""
    text = room.enumeration()[index]
    return OrderedDict(
        (
            hp,
            arch_results(
                room.name, index, text, hp, np.random.default_rng((seed, index, EPOCHS[hp]))
            ),
        )
        for hp in room.hps
    )


def _member_bytes(room: ArchiveRoom, seed: int, index: int) -> bytes:
    return bz2.compress(dumps(member(room, index, seed), _PROTOCOL))


def _member_part(room: ArchiveRoom, seed: int, index: int) -> tuple[bytes, int]:
    return numbered(member(room, index, seed))


def _in_order(make: Callable[[int], Made], indexes: Sequence[int]) -> Iterator[Made]:
    if len(indexes) < _INLINE:
        yield from map(make, indexes)
        return
    chunk = 512  # bounds what waits to be written
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for start in range(0, len(indexes), chunk):
            yield from processes.map(make, indexes[start : start + chunk], chunksize=8)


def _meta(room: ArchiveRoom) -> dict[str, Any]:
    strings = list(room.enumeration())
    return {
        "meta_archs": strings,
        "total_archs": len(strings),
        "arch2infos": None,
        "evaluated_indexes": set(),
    }


def _large_pickle(room: ArchiveRoom, indexes: Sequence[int], seed: int) -> Iterator[bytes]:
    """The pickle of the whole release, its parts pickled apart: never all of it in memory."""
    items = {**_meta(room), "evaluated_indexes": set(indexes)}
    yield b"\x80\x04"
    yield _framed(b"}\x94(")
    count = 1  # objects numbered so far: the dictionary itself
    for key, value in items.items():
        for part in (key, value) if key != "arch2infos" else (key,):
            pickled, added = numbered(part)
            yield _framed(renumbered(pickled, count))
            count += added
        if key != "arch2infos":
            continue
        yield _framed(b"}\x94")
        count += 1
        members = _in_order(partial(_member_part, room, seed), indexes)
        for done, (index, (pickled, added)) in enumerate(zip(indexes, members, strict=True)):
            opening = (b"(" if done == 0 else b"u(") if done % 1000 == 0 else b""
            index_bytes, _none = numbered(index)
            yield _framed(opening + renumbered(index_bytes, 0) + renumbered(pickled, count))
            count += added
        yield _framed(b"u")
    yield _framed(b"u.")


def _framed(opcodes: bytes) -> bytes:
    return b"\x95" + len(opcodes).to_bytes(8, "little") + opcodes


def _write_members(
    room: ArchiveRoom,
    out: Path,
    members: Iterable[tuple[int, bytes]],
    forms: Sequence[str],
    progress: Progress,
) -> None:
    folder = out / f"{room.archive}-simple"
    if "dir" in forms:
        folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        tar = out / f"{folder.name}.tar"
        archive = stack.enter_context(new_tar(tar)) if "tar" in forms else None

        def put(name: str, data: bytes) -> None:
            if archive is not None:
                add_member(archive, f"{folder.name}/{name}", data)
            if "dir" in forms:
                (folder / name).write_bytes(data)

        # Sorted by name, so that the packed directory is the same tar.
        done = 0
        for done, (index, data) in enumerate(members, start=1):
            put(f"{index:06d}.pickle.pbz2", data)
            if done % 1000 == 0:
                progress(f"wrote {done} members")
        put(META, bz2.compress(dumps(_meta(room), _PROTOCOL)))
    progress(f"wrote {done} members of {folder.name}")


def _row(room: ArchiveRoom, out: Path, form: str) -> Mapping[str, Any]:
    """Row of the sources table; a directory's size and digest are those of its tar."""
    from nasbase.benchmarks.nats_common.room import MEMBERS

    name = {
        "tar": f"{room.archive}-simple.tar",
        "pickle": f"{room.archive}.pickle.pbz2",
        "dir": f"{room.archive}-simple",
    }[form]
    if form != "dir":
        return _described(name, form, out / name)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        packed = Path(scratch) / f"{name}.tar"
        pack_directory(out / name, packed, MEMBERS)
        return _described(name, form, packed)


def _described(name: str, form: str, file: Path) -> Mapping[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "name": name,
        "form": form,
        "urls": [name],
        "bytes": file.stat().st_size,
        "sha256": digest,
    }
