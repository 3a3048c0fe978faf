"""``ArchResults`` records read a second time: with the standard library's own unpickler.

The members of an archive are unpickled whole. A large pickle is not: its entries are unpickled one
by one from the bytes that the provenance columns name, by Python's plain unpickler, whose memo
starts with what the first entry and all before it left in it.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import io
import json
import pickle
import re
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, ClassVar

from nasbase.benchmarks.reread import Place, Reread

_EPOCHS = {"01": 1, "12": 12, "90": 90, "200": 200, "full": 200, "less": 12}
_ENDS = {"acc1es": "acc_pct", "losses": "loss", "times": "time_s"}
_CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
_SIZE_CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)

_TOLD = {"name", "params", "flop", "seed", "epochs", "eval_names", "net_state_dict", "train_acc5es",
         *(f"{side}_{key}" for side in ("train", "eval") for key in _ENDS)}  # fmt: skip
"""Keys of a trial that columns hold, that its place says already, or that are weights."""


class _DType:
    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}[code], "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]


def _scalar(dtype: _DType, raw: bytes) -> float:
    return struct.unpack(dtype.order + dtype.code, raw)[0]


class _Weights:
    """Stands for a tensor, and for everything that makes one."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): codecs.encode,
}


def _name(module: str, name: str) -> Any:
    if module.split(".", maxsplit=1)[0] == "torch":
        return _Weights
    return _NAMES[module, name]


class _Unpickler(pickle.Unpickler):
    """Knows the names of the releases."""

    def find_class(self, module: str, name: str) -> Any:
        return _name(module, name)

    def persistent_load(self, pid: object) -> _Weights:  # noqa: ARG002 - all are weights
        return _Weights()


class _EntryUnpickler(pickle._Unpickler):
    """Python's own unpickler, whose memo is a dict that can be filled beforehand."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        return _name(module, name)

    def persistent_load(self, pid: object) -> _Weights:  # noqa: ARG002 - all are weights
        return _Weights()

    def _skip_frame(self: Any) -> None:
        self.read(8)  # a frame only says how much to read at once, and an entry may end inside one

    dispatch[pickle.FRAME[0]] = _skip_frame


# ---------------------------------------------------------------------------------------------
# where the records stand


def reread_members(path: Path, places: Iterable[Place]) -> Iterator[Reread]:
    """The trials of the members that ``places`` name, of a tar of ``NNNNNN.pickle.pbz2``."""
    wanted = {place.file for place in places}
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name in wanted and (stream := archive.extractfile(member)) is not None:
                record = _Unpickler(io.BytesIO(bz2.decompress(stream.read()))).load()
                yield from _trials(record, name, 0, (None, None))


def unread_members(path: Path, files: Collection[str]) -> Iterator[str]:
    """The members of a tar that hold records and are not among ``files``."""
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name.endswith(".pickle.pbz2") and name[0].isdigit() and name not in files:
                yield name


def reread_torch_file(path: Path, name: str, places: Iterable[Place]) -> Iterator[Reread]:
    """The trials of the architectures that ``places`` name, of a file of ``torch.save``.

    The first of the places must be that of the first entry.
    """
    with path.open("rb") as file:
        file.seek(_object_offset(path))
        yield from _entries(file, name, places)


def unread_entry(path: Path, end: int) -> bool:
    """Whether in a file of ``torch.save`` another entry follows on the one that ends at ``end``."""
    with path.open("rb") as file:
        file.seek(_object_offset(path) + end)
        codes = re.sub(rb"\x95.{8}", b"", file.read(64), flags=re.DOTALL)  # but frames
    # The dictionary's items are set (u, s); then comes a text, or a mark or an integer: the next.
    return codes.lstrip(b"us")[:1] in (b"(", b"K", b"M", b"J")


def reread_large_pickle(path: Path, name: str, places: Iterable[Place]) -> Iterator[Reread]:
    """The trials of the architectures that ``places`` name, of a ``.pickle.pbz2``.

    What its entries leave in the memo is numbered by counting: `places` must begin with the first
    entry and leave none out.
    """
    with bz2.open(path) as stream:
        yield from _entries(stream, name, places)


def _object_offset(path: Path) -> int:
    """First byte of the pickled object of a torch file, zip or legacy."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            (info,) = (i for i in archive.infolist() if i.filename.endswith("/data.pkl"))
            file.seek(info.header_offset)
            name, extra = struct.unpack("<26x2H", file.read(30))
            return info.header_offset + 30 + name + extra
    with path.open("rb") as file:
        for _magic_protocol_system in range(3):
            _Unpickler(file).load()
        return file.tell()


class _Memo(dict[int, Any]):
    """A memo whose length counts all objects that ever came, of which most are forgotten.

    Protocol 4 numbers an object by the length of the memo.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._kept: set[int] = set()
        self._texts: set[str] = set()

    def __len__(self) -> int:
        return self.count

    def __setitem__(self, index: int, value: Any) -> None:
        super().__setitem__(index, value)
        self.count += 1

    def forget(self) -> None:
        """Keep what the first call finds, and of what came later every text that is new.

        A pickler that shares texts between entries refers to the first one; one that does not
        refers to none.
        """
        first = not self._kept
        for index in sorted(self.keys() - self._kept):
            text = self[index] if isinstance(self[index], str) else None
            if first or (text is not None and text not in self._texts):
                self._kept.add(index)
            else:
                del self[index]
            if text is not None:
                self._texts.add(text)


def _entries(
    stream: BinaryIO | bz2.BZ2File, name: str, places: Iterable[Place]
) -> Iterator[Reread]:
    """The trials of entries of a pickle that begins here; the first place is its first entry's."""
    origin = stream.tell()
    memo = _Memo()
    for (offset, size), group in groupby(places, key=lambda place: (place.offset, place.size)):
        assert offset is not None and size is not None  # noqa: S101, PT018 - a pickle's places
        if not memo.count:
            _unpickle_head(stream.read(offset), memo)
        stream.seek(origin + offset)
        _index, record = _unpickle(b"(" + stream.read(size) + b"t.", memo)
        memo.forget()
        first = min(place.position for place in group)
        yield from _trials(record, name, first, (offset, size))


def _unpickle(data: bytes, memo: _Memo) -> Any:
    return _unpickler(data, memo).load()


def _unpickle_head(data: bytes, memo: _Memo) -> None:
    """Unpickle what stands before the first entry: it has no end, and no entry in it."""
    unpickler = _unpickler(data, memo)
    with contextlib.suppress(EOFError):
        unpickler.load()
    table = (unpickler.stack or unpickler.metastack[-1])[-1]
    if table != {}:
        raise ValueError("an entry stands before the first one that the tables name")


def _unpickler(data: bytes, memo: _Memo) -> Any:
    unpickler: Any = _EntryUnpickler(io.BytesIO(data))
    unpickler.memo = memo
    return unpickler


# ---------------------------------------------------------------------------------------------
# what a record says


def _trials(
    record: Mapping[str, Any], file: str, first: int, span: tuple[Any, Any]
) -> Iterator[Reread]:
    position = first
    for hp, state in record.items():
        for (dataset, seed), result in state["all_results"].items():
            latency = result["latency"]
            values = {
                "arch_id": state["arch_index"],
                "dataset": dataset,
                "num_epochs": _EPOCHS[hp],
                "seed": seed,
                "params_m": result["params"],
                "flops_m": result["flop"],
                "latency_s": latency[0] if _is_alone(latency) else None,
            }
            place = Place(file, None, position, *span)
            cell, extra = state["arch_str"], _extra(state["arch_str"], dataset, result)
            yield Reread(place, {"arch_str": cell}, values, _curves(result), extra=extra)
            position += 1


def _is_alone(latency: Any) -> bool:
    """Whether one latency was recorded, as the column holds it."""
    return isinstance(latency, list) and len(latency) == 1


def _extra(cell: str, dataset: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """What no column holds, as JSON gives it back."""
    extra = {key: value for key, value in result.items() if key not in _TOLD}
    latency = extra.pop("latency")
    if latency is not None and not _is_alone(latency):
        extra["latency"] = latency
    if extra["arch_config"] == _configuration(cell, dataset):
        del extra["arch_config"]
    return json.loads(json.dumps(extra))


def _configuration(cell: str, dataset: str) -> dict[str, Any]:
    """``arch_config`` where it says no more than the architecture does."""
    own = {"arch_str": cell, "class_num": _CLASSES[dataset]}
    if cell.startswith("|"):
        return own | {"channel": 16, "num_cells": 5}
    return own | {"name": "infer.shape.tiny", "channels": cell, "genotype": _SIZE_CELL}


def _curves(result: Mapping[str, Any]) -> dict[str, dict[int, float]]:
    """Column -> epoch counted from 1 -> value."""
    curves: dict[str, dict[int, float]] = {}
    for key, end in (*_ENDS.items(), ("acc5es", "acc5_pct")):
        for epoch, value in (result[f"train_{key}"] or {}).items():
            curves.setdefault(f"train_{end}", {})[epoch + 1] = value
    for key, end in _ENDS.items():
        for at, value in (result.get(f"eval_{key}") or {}).items():
            split, epoch = at.split("@")
            column = f"{split.replace('-', '_')}_{end}"
            curves.setdefault(column, {})[int(epoch) + 1] = value
    return curves
