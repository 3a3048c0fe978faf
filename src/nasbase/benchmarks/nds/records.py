"""NDS jobs -> shard tables, one file at a time and batch by batch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from nasbase.benchmarks.nds.files import (
    FORM,
    GROUPS,
    STEMS,
    dataset_of,
    generator_of,
    members_of_shard,
    proposer_of,
)
from nasbase.benchmarks.nds.space import Network, are_numbers, brief, network_of_net
from nasbase.benchmarks.room import Batch, RawRelease
from nasbase.containers.json_stream import stream_elements
from nasbase.containers.zip_members import open_member
from nasbase.errors import IncompleteReleaseError, RawDataError, SpaceError
from nasbase.tables.shards import shard_architectures, shard_trials

BATCH_BYTES = 32 << 20
"""Approximate bytes of a batch as tables."""
ROW_BYTES = 1 << 10
"""Bytes of a row beside its lists and long texts."""

MAX_EPOCHS = 2**15 - 1

EPOCH_SERIES = {
    "train_err_pct": "train_ep_top1",
    "test_err_pct": "test_ep_top1",
    "train_loss": "train_ep_loss",
}
SAMPLES = {"sample_train_loss": "train_it_loss", "sample_train_err_pct": "train_it_top1"}
ACCURACIES = {"train_err_pct": "train_acc_pct", "test_err_pct": "test_acc_pct"}
"""Column of errors -> that of the accuracies, which are 100 minus each."""

INTEGERS = {
    "seed": ("rng_seed", 2**31),
    "params": ("params", 2**63),
    "flops": ("flops", 2**63),
    "job_id": ("job_id", 2**63),
}
"""Column -> upstream's key and the bound of what the column can hold."""

REALS = {
    "iter_time_s": "iter_time",
    "min_test_err_pct": "min_test_top1",
    "exp_mem": "exp_mem",
    "act_mem": "act_mem",
    "prec_time_s": "prec_time",
}

_RECORDED = {**{name: key for name, (key, _) in INTEGERS.items()}, **REALS}
"""Column -> upstream's key, of both."""

_SCALARS = (
    "arch_key",
    "base_lr",
    "weight_decay",
    "num_epochs",
    "run_order",
    *_RECORDED,
    "source_group",
    "source_pos",
    "extra",
)
"""Columns of a job that are not lists, and not the same for the whole file."""

_OPTIM_KEYS = {"base_lr", "wd", "max_ep"}
_KNOWN_KEYS = {"net", "optim", *EPOCH_SERIES.values(), *SAMPLES.values(), *_RECORDED.values()}
_FALSE, _TRUE = struct.pack("d", False), struct.pack("d", True)

_dumps = json.JSONEncoder(check_circular=False, sort_keys=True, separators=(",", ":")).encode


def decode(raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
    """Batches of one shard: one row per job of each of its files.

    Raises
    ------
    RawDataError
        With member, byte or job, what was expected, what was found.
    IncompleteReleaseError
        If a file of a complete release holds no job.
    """
    archive = raw.only_file(FORM)
    for stem, member in members_of_shard(archive.path, shard).items():
        where = f"{archive.name}, member {member.name}"
        trials = _Trials(stem)
        jobs = 0
        with open_member(archive.path, member) as stream:
            for group, index, job in stream_elements(stream, where=where, groups=GROUPS):
                jobs += 1
                try:
                    trials.add(job, group, index)
                except SpaceError as error:
                    job_name = f"job {index}" + (f" of {group!r}" if group else "")
                    raise _refusal(error, f"{where}, {job_name}") from error
                if trials.bytes >= BATCH_BYTES:
                    yield trials.batch()
                    trials = _Trials(stem)
        if not jobs and not raw.partial:
            raise IncompleteReleaseError(
                "A file of the release holds no training.",
                where=where,
                expected="at least one job",
                found="an empty list",
                todo="Obtain the whole archive again, or accept a partial release: "
                "`partial: true` in the sources table, or `snakemake --config partial=true`.",
            )
        if trials.rows:
            yield trials.batch()


def _refusal(error: SpaceError, where: str) -> RawDataError:
    return RawDataError(
        error.what,
        where=where,
        expected=error.expected,
        found=error.found,
        todo="The file is damaged or altered, or of a form that nasbase does not know: obtain the "
        "released file again, and report this message if it persists.",
    )


class _Trials:
    """Rows of one file that are waiting to become a batch, column by column."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.bytes = 0
        self.networks: dict[str, Network] = {}
        self.of_file = {
            "dataset": dataset_of(stem),
            "proposer": proposer_of(stem),
            "generator": generator_of(stem),
            "source_file": f"{stem}.json",
        }
        self.first_order = STEMS.index(stem) << 32
        self.rows: list[tuple] = []
        self.lists = _Lists()

    def add(self, job: Any, group: str | None, index: int) -> None:
        """Append one job."""
        if not isinstance(job, dict):
            raise _problem("A job is no object.", "an object", job)
        network, net_rest = network_of_net(_present(job, "net"))
        key = network.text
        optim = _present(job, "optim")
        if not isinstance(optim, dict):
            raise _problem("optim of a job is no object.", "an object", optim)
        extra = {key: value for key, value in job.items() if key not in _KNOWN_KEYS}
        optim_rest = {key: value for key, value in optim.items() if key not in _OPTIM_KEYS}
        extra |= {key: rest for key, rest in (("net", net_rest), ("optim", optim_rest)) if rest}
        epochs = _epochs(optim)
        rates = _hyper_parameter(optim, "base_lr"), _hyper_parameter(optim, "wd")
        recorded = _recorded(job, extra)
        text = _text(extra)
        # Position in NNI's order: file, then top before mid, then position in the list.
        run_order = self.first_order + ((group == GROUPS[1]) << 31) + index
        self.bytes += self.lists.append(job, epochs) + ROW_BYTES + len(key) + len(text or "")
        self.networks[key] = network
        self.rows.append(  # as `_SCALARS` names them
            (key, *rates, epochs, run_order, *recorded, group, index, text)
        )

    def batch(self) -> Batch:
        """Everything appended so far as shard tables."""
        columns: dict[str, Any] = self.lists.columns()
        columns |= zip(_SCALARS, zip(*self.rows, strict=True), strict=True)
        for name, value in self.of_file.items():
            columns[name] = [value] * len(self.rows)
        trials = _table(columns, shard_trials("nds"))
        architectures: dict[str, Any] = {
            "arch_key": list(self.networks),
            **{
                name: [getattr(network, name) for network in self.networks.values()]
                for name in Network._fields
            },
        }
        return Batch(_table(architectures, shard_architectures("nds")), trials)


class _Lists:
    """The lists of several jobs as 64-bit floats, job after job in one buffer."""

    def __init__(self) -> None:
        self.values = bytearray()
        self.lengths: list[tuple[int, ...]] = []
        self.epochs: list[int] = []
        self.sampled: list[bool] = []

    def append(self, job: Mapping[str, Any], epochs: int) -> int:
        """Append the lists of one job; give the bytes that they will have as columns."""
        lists = {key: _present(job, key) for key in EPOCH_SERIES.values()}
        sampled = False
        for key in SAMPLES.values():
            sampled |= key in job
            lists[key] = job.get(key, [])
        self.values += _packed(lists)
        lengths = (*map(len, lists.values()),)
        for key, length in zip(EPOCH_SERIES.values(), lengths, strict=False):
            if length > epochs:
                raise _problem(f"{key} is too long.", f"{epochs} epochs", f"{length} values")
        self.lengths.append(lengths)
        self.epochs.append(epochs)
        self.sampled.append(sampled)
        return 8 * (6 * epochs + 2 * max(lengths[len(EPOCH_SERIES) :]))

    def columns(self) -> dict[str, pa.ListArray]:
        """Lists of every column, those that are too short filled with NULLs up to their length."""
        lengths = np.array(self.lengths)
        ends = np.cumsum(lengths).reshape(lengths.shape)
        values = np.frombuffer(self.values + bytes(8))  # the last one stands for what is missing
        epochs = _Places(np.array(self.epochs), None)
        samples = _Places(lengths[:, len(EPOCH_SERIES) :].max(axis=1), ~np.array(self.sampled))
        columns = {"epoch": epochs.lists(pa.array((epochs.inside + 1).astype(np.int16)))}
        for i, name in enumerate((*EPOCH_SERIES, *SAMPLES)):
            places = epochs if name in EPOCH_SERIES else samples
            length = np.repeat(lengths[:, i], places.lengths)
            missing = places.inside >= length
            taken = np.repeat(ends[:, i], places.lengths) - length + places.inside
            taken[missing] = len(values) - 1
            numbers = values.take(taken)
            missing = missing if missing.any() else None
            columns[name] = places.lists(pa.array(numbers, mask=missing))
            if name in ACCURACIES:
                columns[ACCURACIES[name]] = places.lists(pa.array(100.0 - numbers, mask=missing))
        return columns


class _Places:
    """Where the values of lists are, if the lists stand end to end.

    Parameters
    ----------
    lengths
        Those of the lists.
    absent
        Which of them are NULL; None: none of them.

    Attributes
    ----------
    inside
        Of every value its position in its list.
    """

    def __init__(self, lengths: np.ndarray, absent: np.ndarray | None) -> None:
        self.lengths = lengths
        ends = np.cumsum(lengths, dtype=np.int32)
        self.inside = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        self._offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
        self._absent = None if absent is None else pa.array(absent)

    def lists(self, values: pa.Array) -> pa.ListArray:
        """Lists of these values."""
        return pa.ListArray.from_arrays(self._offsets, values, mask=self._absent)


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns[field.name]
        arrays.append(
            values.cast(field.type)
            if isinstance(values, pa.Array)
            else pa.array(values, field.type, from_pandas=False)
        )
    return pa.Table.from_arrays(arrays, schema=schema)


# ---------------------------------------------------------------------------------------------
# values of one job


def _present(mapping: Mapping[str, Any], key: str) -> Any:
    if key not in mapping:
        raise _problem("A job lacks a key.", f"the key {key!r}", sorted(mapping))
    return mapping[key]


def _packed(lists: Mapping[str, Any]) -> bytes:
    """The numbers of all lists as 64-bit floats, end to end."""
    values = lists.values()
    if {list}.issuperset(map(type, values)):
        with suppress(struct.error):
            packed = struct.pack(f"{sum(map(len, values))}d", *chain.from_iterable(values))
            # To look at the type of every value takes longer than to search for what a boolean
            # becomes.
            if not (_FALSE in packed or _TRUE in packed) or all(map(are_numbers, values)):
                return packed
    return _refuse_lists(lists)


def _refuse_lists(lists: Mapping[str, Any]) -> NoReturn:
    """Say which of the lists holds something else than 64-bit floats."""
    for key, values in lists.items():
        if type(values) is not list or not are_numbers(values):
            raise _problem(f"{key} of a job is malformed.", "a list of numbers", values)

    def largest(key: str) -> int:
        return max((abs(value) for value in lists[key] if type(value) is int), default=0)

    # They hold nothing but numbers, of which an integer alone can be too large.
    found = "int too large to convert to float"
    raise _problem(f"{max(lists, key=largest)} of a job is too large.", "64-bit floats", found)


def _hyper_parameter(optim: Mapping[str, Any], key: str) -> float:
    number = _real(_present(optim, key))
    if number is None or not math.isfinite(number):
        raise _problem(f"{key} of a job is malformed.", "a finite number", optim[key])
    return number


def _epochs(optim: Mapping[str, Any]) -> int:
    epochs = _integer(_present(optim, "max_ep"), MAX_EPOCHS + 1)
    if epochs is None or epochs < 1:
        expected = f"an integer from 1 to {MAX_EPOCHS}"
        raise _problem("max_ep of a job is malformed.", expected, optim["max_ep"])
    return epochs


def _recorded(job: Mapping[str, Any], extra: dict[str, Any]) -> list[int | float | None]:
    """Recorded scalars; what a column cannot hold goes to ``extra`` as it is."""
    row: list[int | float | None] = []
    row += [_integer(job.get(key), bound) for key, bound in INTEGERS.values()]
    row += [_real(job.get(key)) for key in REALS.values()]
    if None in row:
        for value, key in zip(row, _RECORDED.values(), strict=True):
            if value is None and key in job:
                extra[key] = job[key]
    return row


# JSON gives exact types, and `type` keeps booleans from passing as integers.


def _integer(value: Any, bound: int) -> int | None:
    """The value, if it is a whole number below ``bound`` in magnitude."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -bound < value < bound else None


def _real(value: Any) -> float | None:
    """The value, if a 64-bit float surely holds it exactly."""
    if type(value) is float:
        return value
    return float(value) if type(value) is int and abs(value) <= 2**53 else None


def _text(extra: Mapping[str, Any]) -> str | None:
    try:
        return _dumps(extra) if extra else None
    except RecursionError:
        raise _problem("A job is nested too deeply.", "a few levels", extra) from None


def _problem(what: str, expected: str, found: object) -> SpaceError:
    return SpaceError(what, expected=expected, found=brief(found))
