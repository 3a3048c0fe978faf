"""NAS-Bench-101 read a second time: frame by frame, field by field."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nasbase.benchmarks.reread import Place, Reread

_SERIES = ("elapsed_train_time_s", "train_acc_pct", "valid_acc_pct", "test_acc_pct")
"""Fields 2 to 5 of an evaluation."""


def reread(path: Path, name: str, places: Iterable[Place]) -> Iterator[Reread]:
    """The records at ``places`` (ascending positions) of a TFRecord file."""
    with path.open("rb") as file:
        offset = position = 0
        for place in places:
            while position < place.position:
                offset += _length(file) + 16
                file.seek(offset)
                position += 1
            length = _length(file)
            file.seek(offset + 12)
            payload = file.read(length)
            file.seek(offset)
            yield _trial(Place(name, None, position, offset, length + 16), payload)


def _length(file: BinaryIO) -> int:
    return struct.unpack("<Q", file.read(8))[0]


def _trial(place: Place, payload: bytes) -> Reread:
    text, epochs, adjacency, operations, metrics = json.loads(payload)
    values: dict[str, Any] = {"num_epochs": int(epochs), "params": 0, "total_time_s": 0.0}
    values |= {"dataset": "cifar10", "seed": None}  # the one data set; no seed was ever recorded
    curves: dict[str, dict[int, float]] = {name: {} for name in _SERIES}
    for number, value in _fields(base64.b64decode(metrics)):
        if number == 1:
            fields = dict(_fields(value))
            epoch = int(fields.get(1, 0.0))
            for name, field in zip(_SERIES, range(2, 6), strict=True):
                released = fields.get(field, 0.0)
                # Fractions, in the tables percent: times 100 in float64.
                curves[name][epoch] = released if name.endswith("_s") else released * 100.0
        elif number == 2:
            values["params"] = value
        elif number == 3:
            values["total_time_s"] = value
    cell = {"hash": text, "adjacency": adjacency, "operations": operations}
    return Reread(place, cell, values, curves)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of the fields of a protobuf message, groups left out."""
    at = depth = 0
    value: Any
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (1, 5):
            form = "<d" if wire == 1 else "<f"
            (value,), at = struct.unpack_from(form, message, at), at + struct.calcsize(form)
        else:  # a group begins (3) or ends (4)
            depth += 1 if wire == 3 else -1
            continue
        if not depth:
            yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
