"""The protobuf message ``nasbench.ModelMetrics``: what one training recorded.

Nearly all records of a release have one of two layouts (the number of parameters takes three or
four bytes). So the layout of one record is learned by the general walk, every record of the same
length whose structural bytes agree is read with numpy at the places so found, and whatever
disagrees is walked, too. There is no layout that only the fast way knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbase.containers import protobuf
from nasbase.containers.tfrecord import located
from nasbase.errors import RawDataError

EVALUATIONS = 3
"""Evaluations of one training: after one step with learning rate 0, half way, at the end."""

FIELDS = (
    "current_epoch",
    "training_time",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
)
"""Doubles of one EvaluationData: fields 1 to 5 of the message, in order."""

_EVALUATION_DATA, _TRAINABLE_PARAMETERS, _TOTAL_TIME = 1, 2, 3
_TOTAL = EVALUATIONS * len(FIELDS)  # place of total_time behind the doubles of the evaluations
_DOUBLES = _TOTAL + 1
_MAX_PARAMS = 2**31 - 1
_PARAMS_BYTES = 5  # of a non-negative int32 as a varint
_MAX_LAYOUTS = 64  # per length; a hostile file must not make every record a layout


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """Decoded messages, one entry per record.

    Attributes
    ----------
    evaluations
        float64 of shape (records, `EVALUATIONS`, `FIELDS`), as released.
    params
        int64, trainable parameters.
    total_time
        float64, seconds.
    """

    evaluations: NDArray[np.float64]
    params: NDArray[np.int64]
    total_time: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the values stand in messages of one structure.

    Attributes
    ----------
    template
        A message of this structure.
    mask
        Bits of each byte that make the structure: all of tags and lengths, the continuation bit
        of varints, none of the values. Messages that agree with the template in these bits are
        walked in the same steps.
    doubles
        Position of each double; -1 where it is absent, which means 0.0 (proto2).
    params
        First position of the varint, and the one behind it; equal where it is absent.
    """

    template: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    doubles: tuple[int, ...]
    params: tuple[int, int]

    @classmethod
    def of(cls, message: bytes) -> Layout:
        """Learn the layout of one message by walking it.

        Raises
        ------
        RawDataError
            If it is not a message, a known field has a wrong wire type, or there are not exactly
            three evaluations.
        """
        mask = np.zeros(len(message), np.uint8)
        doubles = [-1] * _DOUBLES
        params = (0, 0)
        evaluations = 0
        for field in protobuf.fields(message):
            _mark(mask, field)
            if field.number == _EVALUATION_DATA:
                _require(field, protobuf.LENGTH_DELIMITED)
                if evaluations < EVALUATIONS:
                    first = evaluations * len(FIELDS)
                    _walk_evaluation(message, field, mask, doubles, first)
                evaluations += 1
            elif field.number == _TRAINABLE_PARAMETERS:
                _require(field, protobuf.VARINT)
                params = (field.value, field.end)
            elif field.number == _TOTAL_TIME:
                _require(field, protobuf.FIXED64)
                doubles[_TOTAL] = field.value
        if evaluations != EVALUATIONS:
            raise RawDataError(
                "A record does not hold three evaluations.",
                where="the metrics",
                expected=f"{EVALUATIONS} times evaluation_data",
                found=evaluations,
            )
        if params[1] - params[0] > _PARAMS_BYTES:
            raise _bad_params(f"a varint of {params[1] - params[0]} bytes")
        return cls(np.frombuffer(message, np.uint8), mask, tuple(doubles), params)

    def matches(self, rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which messages (rows of an array of bytes) have this structure."""
        return ~np.any((rows ^ self.template) & self.mask, axis=1)

    def read_doubles(self, rows: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The doubles of messages of this structure, of shape (messages, 16)."""
        values = np.zeros((len(rows), _DOUBLES), np.float64)
        for index, position in enumerate(self.doubles):
            if position >= 0:
                raw = np.ascontiguousarray(rows[:, position : position + 8])
                values[:, index] = raw.view("<f8")[:, 0]
        return values

    def read_params(self, rows: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The numbers of parameters of messages of this structure."""
        values = np.zeros(len(rows), np.int64)
        for shift, position in enumerate(range(*self.params)):
            values |= (rows[:, position] & 0x7F).astype(np.int64) << (7 * shift)
        return values

    def fill(self, doubles: NDArray[np.float64], params: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Messages of this structure with other values: the inverse of the two readers."""
        rows = np.tile(self.template, (len(doubles), 1))
        for index, position in enumerate(self.doubles):
            raw = np.ascontiguousarray(doubles[:, index], dtype="<f8").view(np.uint8)
            rows[:, position : position + 8] = raw.reshape(-1, 8)
        first, behind = self.params
        for shift, position in enumerate(range(first, behind)):
            more = 0x80 if position + 1 < behind else 0
            rows[:, position] = (params >> (7 * shift) & 0x7F | more).astype(np.uint8)
        return rows


class MetricsDecoder:
    """Decodes messages in bulk and remembers the layouts that it met."""

    def __init__(self) -> None:
        self._layouts: dict[int, list[Layout]] = {}

    def decode(
        self,
        count: int,
        messages: Iterable[tuple[NDArray[np.int64], NDArray[np.uint8]]],
        where: Callable[[int], str],
    ) -> Metrics:
        """Decode messages.

        Parameters
        ----------
        count
            How many there are.
        messages
            Serialised messages: places of some of one length (int64, below ``count``), and their
            bytes (uint8, a row each). Every place comes once.
        where
            Says where a message comes from, by its place; for errors.

        Raises
        ------
        RawDataError
            If a message is malformed; it names the record.
        """
        doubles = np.zeros((count, _DOUBLES), np.float64)
        params = np.zeros(count, np.int64)
        for chosen, rows in messages:
            for layout, places, alike in self._split(rows, chosen, where):
                doubles[places] = layout.read_doubles(alike)
                params[places] = layout.read_params(alike)
        if count and params.max() > _MAX_PARAMS:
            worst = int(params.argmax())
            raise located(_bad_params(int(params[worst])), where(worst))
        evaluations = doubles[:, :_TOTAL].reshape(-1, EVALUATIONS, len(FIELDS))
        return Metrics(evaluations, params, doubles[:, _TOTAL])

    def _split(
        self, rows: NDArray[np.uint8], places: NDArray[np.int64], where: Callable[[int], str]
    ) -> Iterator[tuple[Layout, NDArray[np.int64], NDArray[np.uint8]]]:
        """Every layout among messages of one length, and the messages that have it."""
        known = self._layouts.setdefault(rows.shape[1], [])
        candidates = iter(tuple(known))
        while len(rows):
            layout = next(candidates, None)
            if layout is not None:
                matched = layout.matches(rows)
            else:
                layout = _learn(rows[0].tobytes(), where(int(places[0])))
                if len(known) < _MAX_LAYOUTS:
                    known.append(layout)
                    matched = layout.matches(rows)
                else:
                    matched = np.arange(len(rows)) == 0
            if matched.all():  # mostly: nothing is copied
                yield layout, places, rows
                return
            if matched.any():
                yield layout, places[matched], rows[matched]
                places, rows = places[~matched], rows[~matched]


def _learn(message: bytes, place: str) -> Layout:
    try:
        return Layout.of(message)
    except RawDataError as error:
        raise located(error, place) from error


def _walk_evaluation(
    message: bytes, outer: protobuf.Field, mask: NDArray[np.uint8], doubles: list[int], first: int
) -> None:
    """Note where the doubles of one EvaluationData stand, from ``doubles[first]`` on.

    Field 6, upstream's checkpoint_path, is not read: EC-NAS keeps a double under this number.
    """
    for field in protobuf.fields(message, outer.value, outer.end):
        _mark(mask, field)
        if field.number <= len(FIELDS):
            _require(field, protobuf.FIXED64)
            doubles[first + field.number - 1] = field.value  # of repeated scalars the last counts


def _mark(mask: NDArray[np.uint8], field: protobuf.Field) -> None:
    """Mark the structural bits of one field."""
    mask[field.start : field.value] = 0xFF
    if field.wire_type == protobuf.VARINT:
        mask[field.value : field.end] = 0x80
    elif field.wire_type == protobuf.START_GROUP:
        mask[field.value : field.end] = 0xFF


def _require(field: protobuf.Field, wire_type: int) -> None:
    if field.wire_type != wire_type:
        raise RawDataError(
            f"Field {field.number} of the metrics has a wrong wire type.",
            where=f"byte {field.start} of the message",
            expected=f"wire type {wire_type}",
            found=field.wire_type,
        )


def _bad_params(found: object) -> RawDataError:
    return RawDataError(
        "The number of trainable parameters is not a non-negative int32.",
        where="field 2 of the metrics",
        expected=f"0 to {_MAX_PARAMS}",
        found=found,
    )
