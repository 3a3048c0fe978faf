"""NDS jobs -> shard tables, one file at a time and batch by batch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

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
ACCURACIES = {"train_acc_pct": "train_err_pct", "test_acc_pct": "test_err_pct"}

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

_OPTIM_KEYS = {"base_lr", "wd", "max_ep"}
_KNOWN_KEYS = {"net", "optim", *EPOCH_SERIES.values(), *SAMPLES.values(), *_RECORDED.values()}
_FALSE, _TRUE = struct.pack("d", False), struct.pack("d", True)

_dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


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
        self.rows: list[dict[str, Any]] = []
        self.lists = {name: _Lists() for name in (*EPOCH_SERIES, *SAMPLES)}

    def add(self, job: Any, group: str | None, index: int) -> None:
        """Append one job."""
        if not isinstance(job, dict):
            raise _problem("A job is no object.", "an object", job)
        network, net_rest = network_of_net(_present(job, "net"))
        optim = _present(job, "optim")
        if not isinstance(optim, dict):
            raise _problem("optim of a job is no object.", "an object", optim)
        extra = {key: value for key, value in job.items() if key not in _KNOWN_KEYS}
        optim_rest = {key: value for key, value in optim.items() if key not in _OPTIM_KEYS}
        extra |= {key: rest for key, rest in (("net", net_rest), ("optim", optim_rest)) if rest}
        epochs = _epochs(optim)
        recorded = _recorded(job, extra)
        key = network.text
        row: dict[str, Any] = {
            "arch_key": key,
            "base_lr": _hyper_parameter(optim, "base_lr"),
            "weight_decay": _hyper_parameter(optim, "wd"),
            "num_epochs": epochs,
            # Position in NNI's order: file, then top before mid, then position in the list.
            "run_order": self.first_order + ((group == GROUPS[1]) << 31) + index,
            **recorded,
            "source_group": group,
            "source_pos": index,
            "extra": _text(extra),
        }
        self._add_lists(job, epochs)
        self.networks[key] = network
        self.rows.append(row)
        self.bytes += ROW_BYTES + len(key) + len(row["extra"] or "")

    def _add_lists(self, job: Mapping[str, Any], epochs: int) -> None:
        curves = {name: _numbers(job, key) for name, key in EPOCH_SERIES.items()}
        for name, values in curves.items():
            if len(values) > 8 * epochs:
                found = f"{len(values) // 8} values"
                raise _problem(f"{EPOCH_SERIES[name]} is too long.", f"{epochs} epochs", found)
        samples = {name: _numbers(job, key) for name, key in SAMPLES.items() if key in job}
        longest = max(map(len, samples.values())) // 8 if samples else 0
        for name, values in curves.items():
            self.lists[name].append(values, epochs)
        for name in SAMPLES:
            self.lists[name].append(samples.get(name, b"") if samples else None, longest)
        self.bytes += 8 * (6 * epochs + 2 * longest)

    def batch(self) -> Batch:
        """Everything appended so far as shard tables."""
        columns: dict[str, Any] = {name: lists.arrow() for name, lists in self.lists.items()}
        columns["epoch"] = _epoch_lists(columns["train_err_pct"])
        for name, error in ACCURACIES.items():
            columns[name] = self.lists[error].arrow(complement=True)
        rows = zip(*(row.values() for row in self.rows), strict=True)
        columns |= zip(self.rows[0], rows, strict=True)
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
    """One list of 64-bit floats per row, end to end in one buffer."""

    def __init__(self) -> None:
        self.values = bytearray()
        self.ends = [0]
        self.absent: list[bool] = []
        self.gaps: list[slice] = []

    def append(self, values: bytes | None, length: int) -> None:
        """Append one list, filled with NULLs up to ``length``; a NULL list for None."""
        self.absent.append(values is None)
        if values is not None:
            self.values += values
            short = length - len(values) // 8
            if short:
                end = len(self.values) // 8
                self.gaps.append(slice(end, end + short))
                self.values += bytes(8 * short)
        self.ends.append(len(self.values) // 8)

    def arrow(self, *, complement: bool = False) -> pa.ListArray:
        """The lists; with ``complement`` 100 minus each value."""
        values = np.frombuffer(self.values)
        mask = None
        if self.gaps:
            mask = np.zeros(len(values), dtype=bool)
            for gap in self.gaps:
                mask[gap] = True
        numbers = pa.array(100.0 - values if complement else values, mask=mask)
        ends = pa.array(np.asarray(self.ends, dtype=np.int32))
        return pa.ListArray.from_arrays(ends, numbers, mask=pa.array(self.absent, pa.bool_()))


def _epoch_lists(like: pa.ListArray) -> pa.ListArray:
    """Epochs counted from 1, in lists as long as those of ``like``."""
    ends = like.offsets.to_numpy()
    epochs = np.arange(1, len(like.values) + 1) - np.repeat(ends[:-1], np.diff(ends))
    return pa.ListArray.from_arrays(like.offsets, pa.array(epochs.astype(np.int16)))


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


def _numbers(job: Mapping[str, Any], key: str) -> bytes:
    """A list of numbers as 64-bit floats, end to end."""
    values = _present(job, key)
    try:
        packed = struct.pack(f"{len(values)}d", *values) if type(values) is list else None
    except struct.error as error:
        if are_numbers(values):  # nothing but an integer can fail
            found = "int too large to convert to float"
            raise _problem(f"{key} of a job is too large.", "64-bit floats", found) from error
        packed = None
    # To look at the type of every value takes longer than to search for what a boolean becomes.
    boolean = packed is not None and (_FALSE in packed or _TRUE in packed)
    if packed is None or (boolean and not are_numbers(values)):
        raise _problem(f"{key} of a job is malformed.", "a list of numbers", values)
    return packed


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


def _recorded(job: Mapping[str, Any], extra: dict[str, Any]) -> dict[str, int | float | None]:
    """Recorded scalars; what a column cannot hold goes to ``extra`` as it is."""
    row: dict[str, int | float | None] = {}
    for name, (key, bound) in INTEGERS.items():
        row[name] = _integer(job.get(key), bound)
    for name, key in REALS.items():
        row[name] = _real(job.get(key))
    if None in row.values():
        for name, key in _RECORDED.items():
            if row[name] is None and key in job:
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
