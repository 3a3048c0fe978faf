"""From a TFRecord release of NAS-Bench-101 to shards and record batches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.metrics import EVALUATIONS, FIELDS, Metrics, MetricsDecoder
from nasbase.benchmarks.nb101.rows import (
    NUMBER_BYTES,
    Rows,
    check_cell,
    check_cells,
    numbers_at,
    parse_row,
    parse_rows,
)
from nasbase.benchmarks.nb101.space import SPACE_SIZE
from nasbase.benchmarks.room import Batch, Plan, RawFile, RawRelease
from nasbase.containers.tfrecord import FRAME_BYTES, REPLACE_FILE, Block, located, read_blocks
from nasbase.errors import IncompleteReleaseError, RawDataError
from nasbase.tables.catalogue import series
from nasbase.tables.shards import shard_architectures, shard_trials

FORM = "a TFRecord file"

DATASET = "cifar10"
REPEATS = 3
EVALUATED_IMAGES = 9984
"""Images of an accuracy: 39 whole batches of 256 out of 10,000."""
SCHEDULES = {"full": (4, 12, 36, 108), "only108": (108,)}
"""Schedules of the two releases."""

# Every row of upstream begins ["<32 digits>", <epochs>, " - what stands there is looked at without
# parsing the row.
_EPOCHS_AT = 36
_EPOCHS = re.compile(rb' ?"?([1-9][0-9]{0,4})"?,')


def _count_schedules(block: Block) -> Counter[int]:
    """How many records of a block have each schedule, as far as their beginnings tell."""
    usual = block.lengths > _EPOCHS_AT + NUMBER_BYTES
    for text, place in ((b'["', 0), (b'",', _EPOCHS_AT - 2)):
        usual &= block.stands(text, block.starts + place)
    epochs = np.where(usual, numbers_at(block, block.starts + _EPOCHS_AT, _EPOCHS), 0)
    found, counts = np.unique(epochs[epochs > 0], return_counts=True)
    schedules = Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))
    for index in np.flatnonzero(epochs == 0).tolist():
        try:
            schedules[parse_row(block.payload(index)).epochs] += 1
        except RawDataError as error:
            raise located(error, block.where(index)) from error
    return schedules


def plan(raw: RawRelease, shards: int) -> Plan:
    """Cut the file into byte ranges at record boundaries, and count what it holds."""
    file = raw.only_file(FORM)
    targets = [file.bytes * index // shards for index in range(1, shards)]
    cuts = [(0, 0)]  # byte and record at which each shard begins
    schedules: Counter[int] = Counter()
    end = (0, 0)
    for block in read_blocks(file.path):
        ends = block.frame_offsets + block.lengths + FRAME_BYTES
        while len(cuts) <= len(targets) and targets[len(cuts) - 1] <= ends[-1]:
            index = int(np.searchsorted(ends, targets[len(cuts) - 1]))
            cuts.append((int(ends[index]), block.first_record + index + 1))
        schedules += _count_schedules(block)
        end = (int(ends[-1]), block.first_record + len(block))
    cuts += [end] * (shards + 1 - len(cuts))
    _judge(raw, file, schedules)
    return Plan(
        [
            {"start": start, "end": behind, "first_record": first, "records": last - first}
            for (start, first), (behind, last) in pairwise(cuts)
        ],
        {"trials": schedules.total()},
    )


def decode(raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
    """Turn one byte range of the file into record batches, one per block of the file."""
    file = raw.only_file(FORM)
    decoder = MetricsDecoder()
    records = 0
    for block in read_blocks(
        file.path, shard["start"], shard["end"], first_record=shard["first_record"]
    ):
        block.verify()
        rows = parse_rows(block)
        metrics = decoder.decode(len(block), rows.metrics, block.where)
        records += len(block)
        yield Batch(
            _architectures(rows, block), _trials(rows, metrics, block, file.name, raw.partial)
        )
    if records != shard["records"]:
        raise RawDataError(
            "The file is not the one that was planned: a shard holds another number of records.",
            where=f"{file.path}, bytes {shard['start']} to {shard['end']}",
            expected=shard["records"],
            found=records,
            todo="Run the build again from the plan on.",
        )


def _architectures(rows: Rows, block: Block) -> pa.Table:
    """The cell of each record of a block."""
    graphs, labels = rows.adjacency.dictionary_encode(), rows.operations.dictionary_encode()
    try:
        vertices, edges = check_cells(rows.hash, graphs, labels)
    except RawDataError:
        _refuse(rows, block)
        raise
    columns = {
        "hash": rows.hash,
        "num_vertices": vertices,
        "num_edges": edges,
        "adjacency": graphs,
        "operations": labels,
    }
    return pa.table(columns).cast(shard_architectures("nb101"))


def _refuse(rows: Rows, block: Block) -> None:
    """Name the first record of a block whose cell is none."""
    texts = (rows.hash, rows.adjacency, rows.operations)
    cells = zip(*(column.to_pylist() for column in texts), strict=True)
    for place, cell in enumerate(cells):
        try:
            check_cell(*cell)
        except RawDataError as error:
            raise located(error, block.where(place)) from error


def _trials(rows: Rows, metrics: Metrics, block: Block, file: str, partial: bool) -> pa.Table:
    points = _epoch_points(metrics, rows.epochs, block, partial)
    records = pa.array(np.arange(block.first_record, block.first_record + len(block)))
    columns: dict[str, pa.Array] = {
        "hash": rows.hash,
        "dataset": _constant(DATASET, len(block)),
        "num_epochs": pa.array(rows.epochs.astype(np.int16)),
        "run_order": records,
        "seed": pa.nulls(len(block), pa.int32()),
        "params": pa.array(metrics.params.astype(np.int32)),
        "total_time_s": pa.array(metrics.total_time),
        "source_file": _constant(file, len(block)),
        "source_pos": records.cast(pa.int32()),
        "source_offset": pa.array(block.frame_offsets.astype(np.int64)),
        "source_bytes": pa.array((block.lengths + FRAME_BYTES).astype(np.int64)),
        "extra": pa.nulls(len(block), pa.string()),
        "epoch": _lists(points.astype(np.int16)),
    }
    for column in series("nb101"):
        name = column.upstream.removeprefix("evaluation_data.")
        values = metrics.evaluations[:, :, FIELDS.index(name)]
        # The released fraction is a float32; times 100 in float64 it can be had back exactly.
        columns[column.name] = _lists(values * 100.0 if column.unit == "%" else values)
    schema = shard_trials("nb101")
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _epoch_points(
    metrics: Metrics, epochs: NDArray[np.int64], block: Block, partial: bool
) -> NDArray[np.float64]:
    """The epochs of the evaluations: 0, half and full schedule.

    Other files of the same schema (EC-NAS) evaluate elsewhere: a partial build takes any rising
    epochs up to the end of the schedule.
    """
    points = metrics.evaluations[:, :, FIELDS.index("current_epoch")]
    wanted = epochs[:, None] * np.array([0.0, 0.5, 1.0])
    if partial:
        with np.errstate(invalid="ignore"):  # inf is refused below like everything else
            good = (points == np.floor(points)).all(axis=1) & (np.diff(points) > 0).all(axis=1)
        good &= (points[:, 0] >= 0) & (points[:, -1] == epochs)
    else:
        good = (points == wanted).all(axis=1) & (points == np.floor(points)).all(axis=1)
    if not good.all():
        index = int(np.flatnonzero(~good)[0])
        raise RawDataError(
            "A record was evaluated at other epochs than its schedule says.",
            where=block.where(index),
            expected=f"rising whole epochs that end at {epochs[index]}"
            if partial
            else f"epochs {wanted[index].tolist()}",
            found=points[index].tolist(),
            todo=REPLACE_FILE,
        )
    return points


def _judge(raw: RawRelease, file: RawFile, found: Counter[int]) -> None:
    """Refuse a release that does not hold every training of the space, unless it is partial."""
    if raw.partial:
        return
    known = SCHEDULES["full"]
    schedules = SCHEDULES.get(raw.release, tuple(sorted(found)))
    if not schedules or not {*schedules, *found} <= {*known}:
        raise RawDataError(
            "The release holds schedules that NAS-Bench-101 does not have.",
            where=f"{raw.where}, {file.path}",
            expected=f"epochs {', '.join(map(str, known))}",
            found=f"epochs {', '.join(map(str, sorted(found))) or 'none'}",
            todo="If these are other data in the same form, declare the release partial.",
        )
    wanted = Counter(dict.fromkeys(schedules, SPACE_SIZE * REPEATS))
    if found == wanted:
        return
    raise (RawDataError if found > wanted else IncompleteReleaseError)(
        "The release does not hold every training of NAS-Bench-101 exactly once.",
        where=f"{raw.where}, {file.path}",
        expected=_counts(SPACE_SIZE, wanted),
        found=_counts(_count_cells(file), found),
        todo="Get the whole file; or declare the release partial (partial: true) to build it "
        "from what is there.",
    )


def _count_cells(file: RawFile) -> int:
    """Different cells of a release; counted only for the error, since it takes a while."""
    hashes: set[str] = set()
    for block in read_blocks(file.path):
        hashes.update(parse_rows(block).hash.to_pylist())
    return len(hashes)


def _counts(cells: int, schedules: Counter[int]) -> str:
    each = ", ".join(f"{count} of {epochs} epochs" for epochs, count in sorted(schedules.items()))
    return f"{cells} architectures, {schedules.total()} trainings ({each or 'none'})"


def _lists(values: NDArray[Any]) -> pa.ListArray:
    """Rows of a two-dimensional array as lists."""
    offsets = np.arange(0, values.size + 1, EVALUATIONS, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.ascontiguousarray(values).ravel())


def _constant(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)
