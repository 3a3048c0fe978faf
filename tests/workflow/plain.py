"""The other witness: slow, plain readers of raw releases that share no code with nasbase.

Every reader returns plain dicts from a trial's key to all its numbers. Nothing is checked here: the
readers trust the files, which the tests write themselves or know to be genuine.
"""

from __future__ import annotations

import base64
import bz2
import codecs
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from unittest.mock import ANY

# ---------------------------------------------------------------------------------------------
# NAS-Bench-101


def tfrecord_payloads(path: Path) -> list[tuple[int, bytes]]:
    """Offset and content of the records of a TFRecord file, checksums unread."""
    data, offset, payloads = path.read_bytes(), 0, []
    while offset < len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        payloads.append((offset, data[offset + 12 : offset + 12 + length]))
        offset += 16 + length
    return payloads


def protobuf_fields(data: bytes) -> list[tuple[int, object]]:
    """(number, value) of every field in order; groups are skipped."""
    fields, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def value_of(wire: int, number: int) -> object:
        nonlocal at
        if wire == 0:
            return varint()
        if wire in (1, 5):
            size = 8 if wire == 1 else 4
            at += size
            return struct.unpack_from("<d" if wire == 1 else "<f", data, at - size)[0]
        if wire == 2:
            size = varint()
            at += size
            return data[at - size : at]
        while (tag := varint()) != number << 3 | 4:  # a group ends with its own end tag
            value_of(tag & 7, tag >> 3)
        return None

    while at < len(data):
        tag = varint()
        fields.append((tag >> 3, value_of(tag & 7, tag >> 3)))
    return fields


def nb101(path: Path) -> dict[tuple, dict]:
    """(hash, data set, epochs, position in the file) -> what the record says.

    ``points``: per evaluation epoch, time, and the three accuracies, as released.
    """
    found = {}
    for position, (offset, payload) in enumerate(tfrecord_payloads(path)):
        text, epochs, adjacency, operations, metrics = json.loads(payload)
        points, params, total = [], 0, 0.0
        for number, value in protobuf_fields(base64.b64decode(metrics)):
            if number == 1:
                inner = dict(protobuf_fields(value))
                points.append([inner.get(i, 0.0) for i in range(1, 6)])
            elif number == 2:
                params = value
            elif number == 3:
                total = value
        found[text, "cifar10", int(epochs), position] = {
            "adjacency": adjacency,
            "operations": operations,
            "params": params,
            "total_time": total,
            "points": points,
            "span": (offset, len(payload) + 16),
        }
    return found


# ---------------------------------------------------------------------------------------------
# pickles


class _DType:
    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = {"f8": "d", "f4": "f", "i8": "q"}[code], "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]


def _scalar(dtype: _DType, raw: bytes) -> float:
    return struct.unpack(dtype.order + dtype.code, raw)[0]


class Unpickler(pickle.Unpickler):
    """Knows the five names of the releases, under numpy's old and new module names."""

    def find_class(self, module: str, name: str) -> object:
        return {
            ("collections", "OrderedDict"): OrderedDict,
            ("numpy", "dtype"): _DType,
            ("numpy.core.multiarray", "scalar"): _scalar,
            ("numpy._core.multiarray", "scalar"): _scalar,
            ("_codecs", "encode"): codecs.encode,
        }[module, name]


def unpickle(data: bytes) -> object:
    return Unpickler(io.BytesIO(data)).load()


# ---------------------------------------------------------------------------------------------
# NATS-Bench and NAS-Bench-201

EPOCHS = {"01": 1, "12": 12, "90": 90, "200": 200, "full": 200, "less": 12}

RESULT_KEYS = {
    "name", "train_acc1es", "train_acc5es", "train_losses", "train_times", "arch_config", "params",
    "flop", "seed", "epochs", "latency", "eval_names", "eval_acc1es", "eval_times", "eval_losses",
    "net_state_dict",
}  # fmt: skip


def _series(result: dict) -> dict[str, dict[int, float]]:
    """Column -> epoch counted from 1 -> value."""
    series: dict[str, dict[int, float]] = {}
    ends = {"acc1es": "acc_pct", "acc5es": "acc5_pct", "losses": "loss", "times": "time_s"}
    for key, end in ends.items():
        for epoch, value in (result[f"train_{key}"] or {}).items():
            series.setdefault(f"train_{end}", {})[epoch + 1] = value
        for at, value in (result.get(f"eval_{key}") or {}).items():
            split, epoch = at.split("@")
            column = f"{split.replace('-', '_')}_{end}"
            series.setdefault(column, {})[int(epoch) + 1] = value
    return series


def _trials(
    index: int, record: dict, source: str, position: int, span: tuple = (None, None)
) -> dict[tuple, dict]:
    found = {}
    for hp, state in record.items():
        for (dataset, seed), result in state["all_results"].items():
            found[index, dataset, EPOCHS[hp], seed] = {
                "arch_str": state["arch_str"],
                "series": _series(result),
                "params": result["params"],
                "flop": result["flop"],
                "latency": result["latency"],
                "arch_config": result["arch_config"],
                "rest": {key: result[key] for key in result.keys() - RESULT_KEYS},
                "source": (source, position + len(found)),
                "span": span,
            }
    return found


def nats(path: Path) -> dict[tuple, dict]:
    """(index, data set, epochs, seed) -> trial; of a directory, a tar or the large pickle."""
    if path.is_dir():
        members = {file.name: file.read_bytes() for file in path.glob("[0-9]*.pbz2")}
    elif path.suffix == ".tar":
        with tarfile.open(path) as archive:
            files = [member for member in archive if member.isfile()]
            members = {Path(m.name).name: archive.extractfile(m).read() for m in files}
    else:
        return _whole(unpickle(bz2.decompress(path.read_bytes())), path.name)
    found = {}
    for name, data in members.items():
        if name[0].isdigit():
            index = int(name.split(".")[0])
            found |= _trials(index, unpickle(bz2.decompress(data)), name, 0)
    return found


def _whole(document: dict, source: str) -> dict[tuple, dict]:
    found: dict[tuple, dict] = {}
    for index, record in document["arch2infos"].items():
        # Where in the pickle an entry stands is proved by reading it again from there.
        found |= _trials(index, record, source, len(found), (ANY, ANY))
    return found


def nb201(path: Path) -> dict[tuple, dict]:
    """The same of a file of torch.save, zip or legacy."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
            return _whole(unpickle(archive.read(name)), path.name)
    stream = io.BytesIO(path.read_bytes())
    for _head in range(3):
        Unpickler(stream).load()
    return _whole(Unpickler(stream).load(), path.name)


# ---------------------------------------------------------------------------------------------
# NDS


def nds(path: Path) -> dict[tuple, dict]:
    """(file, group or None, position) -> job, as JSON has it."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".json"):
                continue
            document = json.loads(archive.read(name))
            groups = document.items() if isinstance(document, dict) else [(None, document)]
            for group, jobs in groups:
                for position, job in enumerate(jobs):
                    found[Path(name).name, group, position] = job
    return found
