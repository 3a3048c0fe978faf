"""From upstream's ``ArchResults`` records to rows of trials.

One record holds every training of one architecture with one schedule. Its structure is described
in upstream's ``api_utils.py`` (``ArchResults.state_dict`` and ``ResultsCount.state_dict``).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from nasbase.benchmarks.nats_common.datasets import IMAGES, architecture_config, eval_sets
from nasbase.errors import RawDataError
from nasbase.tables.catalogue import series
from nasbase.tables.shards import shard_trials

STATE_KEYS = frozenset(("arch_index", "arch_str", "all_results", "dataset_seed", "clear_net_done"))
TRAIN_TABLES = ("train_acc1es", "train_acc5es", "train_losses", "train_times")
EVAL_TABLES = ("eval_acc1es", "eval_losses", "eval_times")
SCALAR_KEYS = (
    "name",
    "arch_config",
    "params",
    "flop",
    "seed",
    "epochs",
    "latency",
    "eval_names",
    "net_state_dict",
)
RESULT_KEYS = frozenset((*SCALAR_KEYS, *TRAIN_TABLES, *EVAL_TABLES))
MAX_LAYOUTS = 1000
"""Most layouts kept; a release has some twenty."""

_TODO = (
    "Compare the file's digest with the published one; if it is the published file, its "
    "structure is not the one this version of nasbase knows: please report it."
)
_COLUMN_ENDS = {
    "train_acc1es": "acc_pct",
    "train_acc5es": "acc5_pct",
    "train_losses": "loss",
    "train_times": "time_s",
    "eval_acc1es": "acc_pct",
    "eval_losses": "loss",
    "eval_times": "time_s",
}

Points = dict[str, tuple[np.ndarray, np.ndarray]]
"""Where a table has values: split -> (epochs from 0, positions in the table)."""


def keys_and_values(table: Mapping[Any, float]) -> tuple[tuple[Any, ...], np.ndarray]:
    """Keys and float64 values of a per-epoch table, a dict or an object with both at hand."""
    keys = getattr(table, "keys_tuple", None)
    if keys is not None:
        return keys, table.values_array  # type: ignore[attr-defined]
    # struct is the fastest way from floats to an array that refuses text and None.
    packed = struct.pack(f"{len(table)}d", *table.values())
    return tuple(table), np.frombuffer(packed, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the values of one trial's tables become its series; trials share a few of these.

    Attributes
    ----------
    epochs
        Epochs of the trial, from 1, ascending.
    rows
        Row of the trial's block for each series that has values.
    gather
        For every cell of the block the position among the values of all tables, one after another.
    nulls
        Cells without a value, or None.
    """

    epochs: np.ndarray
    rows: Mapping[int, int]
    gather: np.ndarray
    nulls: np.ndarray | None


class TrialRows:
    """Collects the trials of records as rows of the shard table ``trials``.

    Parameters
    ----------
    benchmark
        ``nb201``, ``nats_tss`` or ``nats_sss``.
    arch_strs
        Architecture strings of the space by index, if records are to be compared with them.
    """

    def __init__(self, benchmark: str, arch_strs: Sequence[str] | None = None) -> None:
        self.benchmark = benchmark
        self._arch_strs = arch_strs
        self._schema = shard_trials(benchmark)
        self._series = {column.name: i for i, column in enumerate(series(benchmark))}
        self._scalars = [
            name for name in self._schema.names if name != "epoch" and name not in self._series
        ]
        self._layouts: dict[tuple, _Layout] = {}
        self._clear()

    def _clear(self) -> None:
        self._rows: list[tuple] = []
        self._blocks: list[np.ndarray] = []
        self._used: list[_Layout] = []
        self.nbytes = 0

    # ------------------------------------------------------------------ records in

    def add(
        self,
        arch_id: int,
        num_epochs_expected: int,
        state: Any,
        *,
        source_file: str,
        first_pos: int,
        span: tuple[int, int] | None = None,
    ) -> int:
        """Add every trial of one record.

        Parameters
        ----------
        arch_id
            Index of the architecture, as the record's place in the release says.
        num_epochs_expected
            Length of the schedule, as the record's place says.
        state
            The record as unpickled; its per-epoch tables may be dicts or objects with
            ``keys_tuple`` and ``values_array``.
        source_file
            File or member that the record comes from.
        first_pos
            Position of its first trial in ``source_file``.
        span
            First byte and number of bytes of the architecture's entry; None: all of
            ``source_file``.

        Returns
        -------
        int
            Number of trials added.

        Raises
        ------
        RawDataError
            If the record does not have upstream's structure or contradicts its place.
        """
        where = f"{source_file}, architecture {arch_id}, schedule of {num_epochs_expected} epochs"
        results = self._check_state(arch_id, state, where)
        for position, (key, result) in enumerate(results.items()):
            self._add_trial(
                (arch_id, num_epochs_expected, state["arch_str"]),
                key,
                result,
                (source_file, first_pos + position, *(span or (None, None))),
                where,
            )
        return len(results)

    def _check_state(self, arch_id: int, state: Any, where: str) -> Mapping[Any, Any]:
        if not isinstance(state, Mapping) or set(state) != STATE_KEYS:
            _fail("A record is not an ArchResults state.", where, sorted(STATE_KEYS), _keys(state))
        if type(state["arch_index"]) is not int or state["arch_index"] != arch_id:
            _fail("A record is of another architecture.", where, arch_id, state["arch_index"])
        arch_str = state["arch_str"]
        if not isinstance(arch_str, str):
            _fail("A record has no architecture string.", where, "a string", repr(arch_str))
        if self._arch_strs is not None and arch_str != self._arch_strs[arch_id]:
            _fail(
                "A record's architecture is not the one at its index.",
                where,
                self._arch_strs[arch_id],
                arch_str,
            )
        results, seeds = state["all_results"], state["dataset_seed"]
        if not isinstance(results, Mapping) or not isinstance(seeds, Mapping):
            _fail(
                "A record has no tables of results and seeds.", where, "two dicts", _keys(results)
            )
        try:
            listed = [(dataset, seed) for dataset in seeds for seed in seeds[dataset]]
        except TypeError:
            _fail("dataset_seed does not list seeds.", where, "lists of int", repr(seeds)[:200])
        if len(listed) != len(results) or set(listed) != set(results):
            _fail(
                "dataset_seed and all_results do not list the same trials.",
                where,
                f"{len(listed)} trials: {listed}"[:400],
                f"{len(results)} trials: {list(results)}"[:400],
            )
        return results

    def _add_trial(
        self,
        record: tuple[int, int, str],
        key: Any,
        result: Any,
        source: tuple[str, int, int | None, int | None],
        where: str,
    ) -> None:
        arch_id, num_epochs, arch_str = record
        where = f"{where}, trial {key!r}"
        dataset, seed = _check_result(key, result, num_epochs, where)
        layout, values = self._layout(dataset, num_epochs, result, where)
        extra = {name: _plain(result[name], name, where) for name in result.keys() - RESULT_KEYS}
        config = result["arch_config"]
        if config != architecture_config(self.benchmark, arch_str, dataset):
            extra["arch_config"] = _plain(config, "arch_config", where)
        latency = _latency(result["latency"], extra, where)
        row = {
            "arch_id": arch_id,
            "dataset": dataset,
            "num_epochs": num_epochs,
            "run_order": seed,
            "seed": seed,
            "params_m": _number(result["params"], "params", where),
            "flops_m": _number(result["flop"], "flop", where),
            "latency_s": latency,
            "source_file": source[0],
            "source_pos": source[1],
            "source_offset": source[2],
            "source_bytes": source[3],
            "extra": json.dumps(extra, sort_keys=True) if extra else None,
        }
        self._rows.append(tuple(row[name] for name in self._scalars))
        self._used.append(layout)
        block = values[layout.gather]
        self._blocks.append(block)
        self.nbytes += block.nbytes + 200  # a row's scalars and strings, about

    # ------------------------------------------------------------------ per-epoch tables

    def _layout(
        self, dataset: str, num_epochs: int, result: Mapping[str, Any], where: str
    ) -> tuple[_Layout, np.ndarray]:
        keys: list[tuple] = []
        values: list[np.ndarray] = []
        for name in (*TRAIN_TABLES, *EVAL_TABLES):
            table = result[name]
            if not table and (table is None or isinstance(table, Mapping)):
                keys.append(())
                continue
            if not isinstance(table, Mapping):
                _fail(f"{name} is not a table.", where, "a dict or None", type(table).__name__)
            try:
                names, numbers = keys_and_values(table)
            except (struct.error, TypeError) as error:
                _fail(f"{name} holds something else than numbers.", where, "floats", error)
            keys.append(names)
            values.append(numbers)
        # The same few sets of keys come back in every record; reading them once is what makes a
        # record cheap.
        shape = (dataset, num_epochs, *keys)
        layout = self._layouts.get(shape)
        if layout is None:
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[shape] = self._new_layout(dataset, num_epochs, keys, where)
        return layout, np.concatenate(values)

    def _new_layout(
        self, dataset: str, num_epochs: int, keys: Sequence[tuple], where: str
    ) -> _Layout:
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        offset = 0
        for name, names in zip((*TRAIN_TABLES, *EVAL_TABLES), keys, strict=True):
            inside = f"{where}, {name}"
            points = (
                {"train": _train_points(names, num_epochs, inside)}
                if name in TRAIN_TABLES
                else _eval_points(names, dataset, num_epochs, inside)
            )
            for split, (epochs, positions) in points.items():
                if len(epochs):
                    column = f"{split.replace('-', '_')}_{_COLUMN_ENDS[name]}"
                    found[self._series[column]] = (epochs, positions + offset)
            offset += len(names)
        if not found:
            _fail("A trial has no values at all.", where, f"{num_epochs} epochs", "none")
        epochs = np.unique(np.concatenate([at for at, _ in found.values()]))
        gather = np.zeros((len(found), len(epochs)), dtype=np.intp)
        nulls = np.ones((len(found), len(epochs)), dtype=bool)
        rows = {}
        for row, series_index in enumerate(sorted(found)):
            rows[series_index] = row
            at, positions = found[series_index]
            columns = np.searchsorted(epochs, at)
            gather[row, columns] = positions
            nulls[row, columns] = False
        return _Layout((epochs + 1).astype(np.int16), rows, gather, nulls if nulls.any() else None)

    # ------------------------------------------------------------------ rows out

    def flush(self) -> pa.Table:
        """The rows collected so far, in the schema of the shard table ``trials``; starts anew."""
        columns = dict(zip(self._scalars, zip(*self._rows, strict=True), strict=False))
        arrays = []
        for field in self._schema:
            if field.name == "epoch":
                arrays.append(self._epochs())
            elif field.name in self._series:
                arrays.append(self._list_column(self._series[field.name]))
            else:
                arrays.append(pa.array(columns.get(field.name, ()), type=field.type))
        self._clear()
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def _epochs(self) -> pa.Array:
        epochs = [layout.epochs for layout in self._used]
        values = np.concatenate(epochs) if epochs else np.empty(0, np.int16)
        return pa.ListArray.from_arrays(_offsets(list(map(len, epochs))), pa.array(values))

    def _list_column(self, index: int) -> pa.Array:
        lengths, pieces, masks = [], [], []
        holes = False
        for layout, block in zip(self._used, self._blocks, strict=True):
            row = layout.rows.get(index)
            if row is None:
                lengths.append(0)
                continue
            lengths.append(len(layout.epochs))
            pieces.append(block[row])
            if layout.nulls is None:
                masks.append(np.zeros(len(layout.epochs), dtype=bool))
            else:
                masks.append(layout.nulls[row])
                holes = True
        values = np.concatenate(pieces) if pieces else np.empty(0, np.float64)
        flat = pa.array(values, mask=np.concatenate(masks) if holes else None)
        absent = np.array(lengths, dtype=np.int64) == 0
        return pa.ListArray.from_arrays(
            _offsets(lengths), flat, mask=pa.array(absent) if absent.any() else None
        )


def _offsets(lengths: Sequence[int]) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.array(offsets)


# ---------------------------------------------------------------------------------------------
# one trial


def _check_result(key: Any, result: Any, num_epochs: int, where: str) -> tuple[str, int]:
    if not (isinstance(key, tuple) and len(key) == 2 and type(key[1]) is int):
        _fail("A trial has no key.", where, "(data set, seed)", repr(key)[:200])
    dataset, seed = key
    if not isinstance(dataset, str) or dataset not in IMAGES:
        _fail("A trial is on an unknown data set.", where, ", ".join(IMAGES), repr(dataset)[:200])
    if not isinstance(result, Mapping) or not result.keys() >= RESULT_KEYS:
        _fail("A trial is not a ResultsCount state.", where, sorted(RESULT_KEYS), _keys(result))
    if result["name"] != dataset:
        _fail("A trial's name is not its data set.", where, dataset, result["name"])
    written = result["seed"]
    if not 0 <= seed < 2**31 or written != f"{seed:04d}":
        _fail("A trial's seed is not that of its key.", where, f"'{seed:04d}'", repr(written))
    if type(result["epochs"]) is not int or result["epochs"] != num_epochs:
        _fail("A trial has another schedule.", where, f"{num_epochs} epochs", result["epochs"])
    names = result["eval_names"]
    if not isinstance(names, list) or not all(name in eval_sets(dataset) for name in names):
        _fail("A trial names unknown splits.", where, ", ".join(eval_sets(dataset)), names)
    return dataset, seed


def _train_points(keys: tuple, num_epochs: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    for key in keys:
        if type(key) is not int or not 0 <= key < num_epochs:
            _fail("An epoch is none.", where, f"an int from 0 to {num_epochs - 1}", repr(key)[:200])
    return _unique(keys, where), np.arange(len(keys))


def _eval_points(keys: tuple, dataset: str, num_epochs: int, where: str) -> Points:
    split_at: dict[str, tuple[list[int], list[int]]] = {}
    for position, key in enumerate(keys):
        split, _, epoch = key.partition("@") if isinstance(key, str) else ("", "", "")
        # int() also reads ' 7', '+7' and '007'; upstream wrote plain digits.
        known = split in eval_sets(dataset) and epoch.isascii() and epoch.isdecimal()
        if not known or str(int(epoch)) != epoch or int(epoch) >= num_epochs:
            _fail(
                "An evaluation has an unknown key.",
                where,
                f"<{'|'.join(eval_sets(dataset))}>@<0 to {num_epochs - 1}>",
                repr(key)[:200],
            )
        epochs, positions = split_at.setdefault(split, ([], []))
        epochs.append(int(epoch))
        positions.append(position)
    return {
        split: (_unique(epochs, f"{where}, {split}"), np.array(positions))
        for split, (epochs, positions) in split_at.items()
    }


def _unique(epochs: Sequence[int], where: str) -> np.ndarray:
    if len(set(epochs)) != len(epochs):
        _fail("An epoch stands twice in a table.", where, "each epoch once", len(epochs))
    return np.array(epochs, dtype=np.int64)


def _number(value: Any, name: str, where: str) -> float | None:
    if value is None:
        return None
    if type(value) is int and abs(value) < 2**53:
        return float(value)
    if not isinstance(value, float):
        _fail(f"{name} is not a number.", where, "a number or None", repr(value)[:200])
    return float(value)


def _latency(values: Any, extra: dict[str, Any], where: str) -> float | None:
    if values is None:
        return None
    if isinstance(values, list) and len(values) == 1:
        return _number(values[0], "latency", where)
    extra["latency"] = _plain(values, "latency", where)
    return None


def _plain(value: Any, name: str, where: str) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        _fail(f"{name} cannot be kept as JSON.", where, "plain values", type(value).__name__)


def _keys(value: Any) -> object:
    return sorted(map(str, value))[:20] if isinstance(value, Mapping) else type(value).__name__


def _fail(what: str, where: str, expected: object, found: object) -> NoReturn:
    raise RawDataError(what, where=where, expected=expected, found=found, todo=_TODO)
