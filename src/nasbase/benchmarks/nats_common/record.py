"""From upstream's ``ArchResults`` records to rows of trials.

One record holds every training of one architecture with one schedule. Its structure is described
in upstream's ``api_utils.py`` (``ArchResults.state_dict`` and ``ResultsCount.state_dict``).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from nasbase.benchmarks.nats_common.datasets import IMAGES, architecture_config, eval_sets
from nasbase.containers.pickles import Ordered
from nasbase.errors import RawDataError
from nasbase.tables.catalogue import series
from nasbase.tables.shards import shard_trials

STATE_KEYS = frozenset(("arch_index", "arch_str", "all_results", "dataset_seed", "clear_net_done"))
TRAIN_TABLES = ("train_acc1es", "train_acc5es", "train_losses", "train_times")
EVAL_TABLES = ("eval_acc1es", "eval_losses", "eval_times")
TABLES = (*TRAIN_TABLES, *EVAL_TABLES)
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
RESULT_KEYS = frozenset((*SCALAR_KEYS, *TABLES))
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

_SCALARS = (
    "arch_id",
    "dataset",
    "num_epochs",
    "run_order",
    "seed",
    "params_m",
    "flops_m",
    "latency_s",
    "source_file",
    "source_pos",
    "source_offset",
    "source_bytes",
    "extra",
)
"""Columns of a trial that are not lists."""

_TABLES_OF = itemgetter(*TABLES)
_DICTS = {dict, Ordered}
_NO_NUMBER = (struct.error, TypeError, OverflowError)
_MAPPINGS = (dict, Mapping)  # a dict is known at once; to ask an abstract class takes a while

Buffer = bytes | memoryview
"""Values of one table."""

Keys = list | tuple
"""Keys of one table."""

Places = Callable[[np.ndarray], np.ndarray | None]
"""Where numbered floats stand among all of them; None if any of them has no number."""

Points = dict[str, tuple[np.ndarray, np.ndarray]]
"""Where a table has values: split -> (epochs from 0, positions in the table)."""


def packed(table: Mapping[Any, float]) -> Buffer:
    """Values of a per-epoch table, a dict or an object with its array at hand, as float64."""
    values = getattr(table, "values_array", None)
    if values is not None:
        return values.data
    return struct.pack(f"{len(table)}d", *table.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """How the values of one trial's tables become its series; trials share a few of these.

    Attributes
    ----------
    pack
        All values of the tables, one after another -> float64. (``struct`` is the fastest way from
        floats to bytes that refuses text and None.)
    epochs
        Epochs of the trial, from 1, ascending.
    series
        For every series that has values, by its place in the catalogue: for every epoch the
        position among the values of all tables, one after another, and which epochs have no value
        (None: none).
    """

    pack: Callable[..., bytes]
    epochs: np.ndarray
    series: Mapping[int, tuple[np.ndarray, np.ndarray | None]]


@dataclass(slots=True)
class _Trials:
    """The values of trials of one layout, table after table of every trial, and their rows."""

    layout: _Layout
    rows: list[int] = field(default_factory=list)
    tables: list[Buffer] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Trials of one layout, to be written into columns.

    Attributes
    ----------
    layout
        What they share.
    rows
        Their rows.
    values
        All their values, by trial.
    """

    layout: _Layout
    rows: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class TrialTemplate:
    """The trials of one record, for others that differ in their numbers alone.

    Attributes
    ----------
    trials
        Data set, schedule, seed, places of parameters, multiply-accumulates and latency (None: it
        has none) among the numbers, and position in its file, of every trial.
    tables
        Layout, which trials have it, and the places of their values, one after another.
    nbytes
        What they take in columns, about.
    """

    trials: Sequence[tuple[str, int, int, Sequence[int | None], int]]
    tables: Sequence[tuple[_Layout, Sequence[int], np.ndarray]]
    nbytes: int


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
        self._layouts: dict[tuple, _Layout] = {}
        self._latest: dict[tuple[str, int], tuple[Sequence[Keys], _Layout]] = {}
        self._clear()

    def _clear(self) -> None:
        self._rows: list[tuple] = []
        self._trials: dict[_Layout, _Trials] = {}
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
        layout, tables = self._read_tables(dataset, num_epochs, result, where)
        extra = {}
        if len(result) > len(RESULT_KEYS):
            extra = {
                name: _plain(result[name], name, where) for name in result.keys() - RESULT_KEYS
            }
        config = result["arch_config"]
        if config != architecture_config(self.benchmark, arch_str, dataset):
            extra["arch_config"] = _plain(config, "arch_config", where)
        latency = _latency(result["latency"], extra, where)
        trials = self._trials_of(layout)
        trials.rows.append(len(self._rows))
        trials.tables += tables
        self._rows.append(  # as `_SCALARS` names them
            (
                arch_id,
                dataset,
                num_epochs,
                seed,
                seed,
                _number(result["params"], "params", where),
                _number(result["flop"], "flop", where),
                latency,
                *source,
                json.dumps(extra, sort_keys=True) if extra else None,
            )
        )
        # In columns, with a row's scalars and strings, about.
        self.nbytes += 8 * len(layout.epochs) * len(layout.series) + 200

    def _trials_of(self, layout: _Layout) -> _Trials:
        trials = self._trials.get(layout)
        if trials is None:
            trials = self._trials[layout] = _Trials(layout)
        return trials

    # ------------------------------------------------------------------ records that are alike

    def probe(self) -> TrialRows:
        """Rows apart from these, for a record whose numbers tell only where they stand."""
        probe = TrialRows(self.benchmark, self._arch_strs)
        probe._layouts = self._layouts
        return probe

    def template(self, places: Places) -> TrialTemplate | None:
        """How the rows follow from floats, if these were numbered.

        None where a row holds anything else than numbered floats and what its key says.
        """
        trials = []
        for _, dataset, num_epochs, _, seed, *costs, _, position, _, _, extra in self._rows:
            found = places(np.array([cost for cost in costs if cost is not None]))
            if found is None or extra is not None:
                return None
            known = iter(found.tolist())
            at = [None if cost is None else next(known) for cost in costs]
            trials.append((dataset, num_epochs, seed, at, position))
        tables = []
        for layout, group in self._trials.items():
            found = places(np.frombuffer(b"".join(group.tables)))
            if found is None:
                return None
            tables.append((layout, group.rows, found.astype(np.int32)))
        return TrialTemplate(trials, tables, self.nbytes)

    def add_alike(
        self, template: TrialTemplate, numbers: np.ndarray, arch_id: int, source_file: str
    ) -> None:
        """Add every trial of the records of one architecture, which are alike a template's.

        Parameters
        ----------
        template
            How they were read.
        numbers
            float64, by place.
        arch_id, source_file
            As in `add`.
        """
        for layout, rows, values in template.tables:
            trials = self._trials_of(layout)
            trials.rows += [len(self._rows) + row for row in rows]
            trials.tables.append(numbers.take(values).data)
        for dataset, num_epochs, seed, places, position in template.trials:
            costs = [None if place is None else numbers.item(place) for place in places]
            source = (source_file, position, None, None)
            self._rows.append((arch_id, dataset, num_epochs, seed, seed, *costs, *source, None))
        self.nbytes += template.nbytes

    # ------------------------------------------------------------------ per-epoch tables

    def _read_tables(
        self, dataset: str, num_epochs: int, result: Mapping[str, Any], where: str
    ) -> tuple[_Layout, list[Buffer]]:
        tables = _TABLES_OF(result)
        if _DICTS.issuperset(map(type, tables)):
            layout = self._layout(dataset, num_epochs, [*map(list, tables)], where)
            with suppress(*_NO_NUMBER):  # then one of the tables holds no number: which one?
                # Written out, because it takes half the time of a loop; there are many values.
                t0, t1, t2, t3, t4, t5, t6 = map(dict.values, tables)
                return layout, [layout.pack(*t0, *t1, *t2, *t3, *t4, *t5, *t6)]
        return self._read_each_table(dataset, num_epochs, result, where)

    def _read_each_table(
        self, dataset: str, num_epochs: int, result: Mapping[str, Any], where: str
    ) -> tuple[_Layout, list[Buffer]]:
        keys: list[Keys] = []
        values: list[Buffer] = []
        for name in TABLES:
            table = result[name]
            if table is None:
                keys.append(())
                continue
            if not isinstance(table, _MAPPINGS):
                _fail(f"{name} is not a table.", where, "a dict or None", type(table).__name__)
            try:
                values.append(packed(table))
            except _NO_NUMBER as error:
                _fail(f"{name} holds something else than numbers.", where, "floats", error)
            keys.append(getattr(table, "keys_tuple", None) or tuple(table))
        return self._layout(dataset, num_epochs, keys, where), values

    def _layout(self, dataset: str, num_epochs: int, keys: list[Keys], where: str) -> _Layout:
        # The same few sets of keys come back in every record; reading them once is what makes a
        # record cheap. Most often they are those of the trial before, which is found sooner than
        # so many keys are hashed.
        latest, layout = self._latest.get((dataset, num_epochs), (None, None))
        if layout is not None and latest == keys:
            return layout
        shape = (dataset, num_epochs, tuple(map(tuple, keys)))
        layout = self._layouts.get(shape)
        if layout is None:
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[shape] = self._new_layout(*shape, where)
        self._latest[dataset, num_epochs] = keys, layout
        return layout

    def _new_layout(
        self, dataset: str, num_epochs: int, keys: Sequence[Keys], where: str
    ) -> _Layout:
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        offset = 0
        for name, names in zip(TABLES, keys, strict=True):
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
        series = {}
        for index, (at, positions) in found.items():
            columns = np.searchsorted(epochs, at)
            gather = np.zeros(len(epochs), dtype=np.intp)
            nulls = np.ones(len(epochs), dtype=bool)
            gather[columns] = positions
            nulls[columns] = False
            series[index] = gather, nulls if nulls.any() else None
        return _Layout(struct.Struct(f"{offset}d").pack, (epochs + 1).astype(np.int16), series)

    # ------------------------------------------------------------------ rows out

    def flush(self) -> pa.Table:
        """The rows collected so far, in the schema of the shard table ``trials``; starts anew."""
        scalars = dict(zip(_SCALARS, zip(*self._rows, strict=True), strict=False))
        count = len(self._rows)
        groups = []
        while self._trials:  # each forgotten as soon as its values are together
            _, trials = self._trials.popitem()
            values = np.frombuffer(b"".join(trials.tables)).reshape(len(trials.rows), -1)
            groups.append(_Block(trials.layout, np.asarray(trials.rows), values))
        arrays = []
        for column in self._schema:
            if column.name == "epoch":
                arrays.append(_epochs(groups, count))
            elif column.name in self._series:
                arrays.append(_list_column(groups, count, self._series[column.name]))
            else:
                arrays.append(pa.array(scalars.get(column.name, ()), type=column.type))
        self._clear()
        return pa.Table.from_arrays(arrays, schema=self._schema)


def _epochs(groups: Sequence[_Block], count: int) -> pa.Array:
    offsets, starts = _offsets(groups, count)
    values = np.empty(offsets[-1], np.int16)
    for group, start in zip(groups, starts, strict=True):
        _place(values, start, group.layout.epochs)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def _list_column(groups: Sequence[_Block], count: int, index: int) -> pa.Array:
    """One series of all trials; a trial without it has no list."""
    groups = [group for group in groups if index in group.layout.series]
    offsets, starts = _offsets(groups, count)
    values = np.empty(offsets[-1], np.float64)
    holes = np.zeros(offsets[-1], bool)
    for group, start in zip(groups, starts, strict=True):
        gather, nulls = group.layout.series[index]
        _place(values, start, group.values.take(gather, axis=1))
        if nulls is not None:
            _place(holes, start, nulls)
    absent = np.diff(offsets) == 0
    return pa.ListArray.from_arrays(
        pa.array(offsets),
        pa.array(values, mask=holes if holes.any() else None),
        mask=pa.array(absent) if absent.any() else None,
    )


def _offsets(groups: Sequence[_Block], count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Offsets of all trials' lists, and for every group where the lists of its trials begin."""
    lengths = np.zeros(count, np.int32)
    for group in groups:
        lengths[group.rows] = len(group.layout.epochs)
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets, [offsets[:-1][group.rows] for group in groups]


def _place(values: np.ndarray, starts: np.ndarray, lists: np.ndarray) -> None:
    """Write lists of one length, or one list again and again, where ``starts`` says."""
    # One copy per list: several times faster than one index per value.
    sliding_window_view(values, lists.shape[-1], writeable=True)[starts] = lists


# ---------------------------------------------------------------------------------------------
# one trial


def _check_result(key: Any, result: Any, num_epochs: int, where: str) -> tuple[str, int]:
    if not (isinstance(key, tuple) and len(key) == 2 and type(key[1]) is int):
        _fail("A trial has no key.", where, "(data set, seed)", repr(key)[:200])
    dataset, seed = key
    if not isinstance(dataset, str) or dataset not in IMAGES:
        _fail("A trial is on an unknown data set.", where, ", ".join(IMAGES), repr(dataset)[:200])
    if not isinstance(result, _MAPPINGS) or not result.keys() >= RESULT_KEYS:
        _fail("A trial is not a ResultsCount state.", where, sorted(RESULT_KEYS), _keys(result))
    if result["name"] != dataset:
        _fail("A trial's name is not its data set.", where, dataset, result["name"])
    written = result["seed"]
    if not 0 <= seed < 2**31 or written != f"{seed:04d}":
        _fail("A trial's seed is not that of its key.", where, f"'{seed:04d}'", repr(written))
    if type(result["epochs"]) is not int or result["epochs"] != num_epochs:
        _fail("A trial has another schedule.", where, f"{num_epochs} epochs", result["epochs"])
    names = result["eval_names"]
    if not isinstance(names, list) or not all(map(eval_sets(dataset).__contains__, names)):
        _fail("A trial names unknown splits.", where, ", ".join(eval_sets(dataset)), names)
    return dataset, seed


def _train_points(keys: Keys, num_epochs: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    for key in keys:
        if type(key) is not int or not 0 <= key < num_epochs:
            _fail("An epoch is none.", where, f"an int from 0 to {num_epochs - 1}", repr(key)[:200])
    return _unique(keys, where), np.arange(len(keys))


def _eval_points(keys: Keys, dataset: str, num_epochs: int, where: str) -> Points:
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
