"""Trainings of a build, read from its SQLite database as they are asked for.

One row and one blob hold a training (`nasbase.store.series_blob`). Upstream's dictionaries are made
of them only for whoever wants the dictionaries; everything else is computed from the arrays, by the
same additions in the same order, so that the results are equal to the last bit.
"""

from __future__ import annotations

import json
import math
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nats_common.datasets import DATASETS, architecture_config, eval_sets
from nasbase.compat.records.library import Library
from nasbase.compat.records.results import ArchResults, mean, mean_and_total
from nasbase.errors import ArtifactError
from nasbase.query.opening import open_folder
from nasbase.store.series_blob import (
    ABSENT,
    CONSTANT,
    PARTIAL,
    decode_one,
    offsets,
    value_at,
)
from nasbase.tables.catalogue import series

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

SCHEDULES: Mapping[str, Mapping[int, str]] = {
    "nats_tss": {12: "12", 200: "200"},
    "nats_sss": {1: "01", 12: "12", 90: "90"},
    "nb201": {12: "12", 200: "200"},
}
"""Upstream's name of each schedule by its length, in upstream's order."""

KNOWN_METRICS = 32
"""Most answers about epochs that a training remembers."""

_ATTRIBUTES = (
    "name",
    "net_state_dict",
    "train_acc1es",
    "train_acc5es",
    "train_losses",
    "train_times",
    "arch_config",
    "params",
    "flop",
    "seed",
    "epochs",
    "latency",
    "eval_names",
    "eval_acc1es",
    "eval_times",
    "eval_losses",
)
"""Attributes of a training in the order in which upstream's objects have them."""

_TRAIN_TABLES = {
    "train_acc1es": "train_acc_pct",
    "train_acc5es": "train_acc5_pct",
    "train_losses": "train_loss",
    "train_times": "train_time_s",
}
_EVAL_TABLES = {"eval_acc1es": "acc_pct", "eval_losses": "loss", "eval_times": "time_s"}

_COLUMNS = "t.trial_id, t.dataset, t.seed, t.params_m, t.flops_m, t.latency_s, t.extra"
_TRIALS = (
    f"SELECT {_COLUMNS} FROM trials t WHERE t.arch_id = ? AND t.num_epochs = ? "  # noqa: S608
    "ORDER BY t.source_pos"
)
_PART = (
    f"SELECT {_COLUMNS}, c.data, c.length FROM trials t "  # noqa: S608
    "JOIN trial_curves c USING (trial_id) "
    "WHERE t.arch_id = ? AND t.dataset = ? AND t.num_epochs = ?"
)

_METRICS = ("iepoch", "loss", "accuracy", "cur_time", "all_time")
_UNREAD = object()

Values = Sequence[float | None]


@cache
def _positions() -> dict[str, int]:
    """Place of every series in the blobs; the same in all three benchmarks."""
    return {column.name: i for i, column in enumerate(series("nats_tss"))}


@cache
def _keys(name: str, length: int) -> tuple[str, ...]:
    return tuple(f"{name}@{epoch}" for epoch in range(length))


@lru_cache(maxsize=64)
def _full_keys_text(names: tuple[str, ...], length: int) -> str:
    return str({key: 0 for name in names for key in _keys(name, length)}.keys())


@cache
def _places(name: str, dataset: str) -> tuple[int | None, int | None, int | None]:
    """Places of a set's loss, accuracy and times in the blobs; None for a set that is none."""
    if name != "train" and name not in eval_sets(dataset):
        return None, None, None
    loss, accuracy, time = (_positions()[column(name, k)] for k in ("loss", "acc_pct", "time_s"))
    return loss, accuracy, time


@cache
def column(name: str, kind: str) -> str:
    """The series of a set: ``kind`` is ``acc_pct``, ``loss`` or ``time_s``."""
    return f"{name.replace('-', '_')}_{kind}"


class StoredTrial:
    """One training as a build holds it; its answers are those of upstream's objects.

    Parameters
    ----------
    bench
        The build.
    arch_str
        The architecture.
    num_epochs
        Length of the schedule.
    row
        ``trial_id, dataset, seed, params_m, flops_m, latency_s, extra`` of ``trials``.
    """

    __slots__ = (
        "_bench", "_blob_", "_extra", "_latency", "_metrics", "_offsets", "_row", "_times",
        "arch_str", "dataset", "epochs", "seed", "trial_id",
    )  # fmt: skip

    def __init__(self, bench: Benchmark, arch_str: str, num_epochs: int, row: tuple) -> None:
        self._bench, self._row = bench, row
        self.arch_str, self.epochs = arch_str, num_epochs
        self.trial_id, self.dataset, self.seed = row[:3]
        self._blob_ = self._checked(row[7:]) if len(row) > 7 else None
        self._offsets: list[int] | None = None
        self._extra: dict[str, Any] | None = None
        self._latency: Any = _UNREAD
        self._metrics: dict[tuple[str, int], tuple] = {}
        self._times: tuple[Callable, dict[str, Any]] | None = None

    @property
    def extra(self) -> dict[str, Any]:
        """What upstream recorded beyond the columns."""
        if self._extra is None:
            self._extra = json.loads(self._row[6]) if self._row[6] else {}
        return self._extra

    @property
    def latency(self) -> list[Any] | None:
        """Measured latencies in seconds."""
        if self._latency is _UNREAD:
            import numpy as np  # upstream's latencies are of numpy's type

            latency = self._recorded(5, "latency_s")
            values = None if latency is None else [latency]
            values = self.extra.get("latency", values)  # none or several: one has its own column
            self._latency = None if values is None else [np.float64(value) for value in values]
        return self._latency

    def __reduce__(self) -> tuple:
        return type(self), (self._bench, self.arch_str, self.epochs, self._row)

    def _recorded(self, position: int, name: str) -> float | None:
        value = self._row[position]
        if value is None:  # SQLite holds no NaN: a note tells it from what was not released
            key = json.dumps({"trial_id": self.trial_id})
            notes = self._bench.notes("trials", key, kind="nan")
            if any(note.column == name for note in notes):
                return math.nan
        return value

    # ------------------------------------------------------------------ attributes

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes, in upstream's order; then those that only this one has."""
        return (*_ATTRIBUTES, *(name for name in self.extra if name not in _ATTRIBUTES))

    def attribute(self, name: str) -> Any:
        """An attribute of upstream's object; whoever gets it may change it."""
        if name in _TRAIN_TABLES:
            return self._train_table(name)
        if name in _EVAL_TABLES:
            return self._eval_table(_EVAL_TABLES[name])
        if name in self.extra and name != "latency":
            return json.loads(self._row[6])[name]
        return getattr(self, f"_get_{name}")()

    def _get_name(self) -> str:
        return self.dataset

    def _get_net_state_dict(self) -> None:
        return None

    def _get_params(self) -> Any:
        import numpy as np

        params = self._recorded(3, "params_m")
        return None if params is None else np.float64(params)

    def _get_flop(self) -> float | None:
        return self._recorded(4, "flops_m")

    def _get_seed(self) -> str:
        return f"{self.seed:04d}"

    def _get_epochs(self) -> int:
        return self.epochs

    def _get_latency(self) -> list[Any] | None:
        return None if self.latency is None else list(self.latency)

    def _get_arch_config(self) -> dict[str, Any]:
        return architecture_config(self._bench.name, self.arch_str, self.dataset)

    def _get_eval_names(self) -> list[str]:
        return list(self._sets("acc_pct"))

    def _sets(self, kind: str) -> list[str]:
        """Sets in the order in which upstream recorded them."""
        names = list(eval_sets(self.dataset))
        if kind != "time_s":
            # What was evaluated after the last epoch only was recorded after all the rest.
            modes = self._blob()
            names.sort(key=lambda name: modes[_positions()[column(name, "acc_pct")]] == PARTIAL)
        return names

    def _train_table(self, name: str) -> dict[int, float] | None:
        values = self.values(_TRAIN_TABLES[name])
        if values is None:
            return {} if name in ("train_acc1es", "train_losses") else None
        make = OrderedDict if name == "train_times" else dict
        return make((e, value) for e, value in enumerate(values) if value is not None)

    def _eval_table(self, kind: str) -> dict[str, float]:
        table: dict[str, float] = {}
        for name in self._sets(kind):
            values = self.values(column(name, kind))
            if values is not None:
                pairs = zip(_keys(name, self.epochs), values, strict=True)
                table.update(pair for pair in pairs if pair[1] is not None)  # type: ignore[misc]
        return table

    # ------------------------------------------------------------------ curves

    def _blob(self) -> bytes:
        if self._blob_ is None:
            sql = "SELECT data, length FROM trial_curves WHERE trial_id = ?"
            self._blob_ = self._checked(self._bench.database.row(sql, (self.trial_id,)))
        return self._blob_

    def _checked(self, found: tuple | None) -> bytes:
        if found is None or found[1] != self.epochs:
            raise self._bench.database.damaged(
                ValueError(f"no curves of {self.epochs} epochs for trial {self.trial_id}")
            )
        return found[0]

    def values(self, name: str) -> Values | None:
        """One series, by its column; None where nothing was recorded."""
        try:
            return decode_one(self._blob(), len(_positions()), self.epochs, _positions()[name])
        except (ValueError, IndexError) as error:
            raise self._bench.database.damaged(error) from error

    def _at(self, position: int, iepoch: int) -> float | None:
        """One point of the series at a position."""
        data = self._blob_ or self._blob()
        try:
            if self._offsets is None:
                self._offsets = offsets(data, len(_positions()), self.epochs)
            return value_at(data, data[position], self._offsets[position], self.epochs, iepoch)
        except (ValueError, IndexError, struct.error) as error:
            raise self._bench.database.damaged(error) from error

    def train_metrics(self, iepoch: int) -> dict[str, Any]:
        """What `ResultsCount.get_train` gives, for an epoch of the schedule."""
        found = self._metrics.get(("train", iepoch))
        if found is None:
            found = self._found("train", iepoch, range(self.epochs), None)
        return dict(zip(_METRICS, found, strict=True))

    def eval_metrics(
        self, name: str, iepoch: int, no_time: Callable[[str, object], Exception]
    ) -> dict[str, Any]:
        """What `ResultsCount.get_eval` gives; ``no_time`` makes the error about a missing time."""
        found = self._metrics.get((name, iepoch))
        if found is None:
            found = self._found(name, iepoch, _keys(name, self.epochs), no_time)
        return dict(zip(_METRICS, found, strict=True))

    def _found(
        self,
        name: str,
        iepoch: int,
        keys: Sequence[Any],
        no_time: Callable[[str, object], Exception] | None,
    ) -> tuple:
        """Epoch, loss, accuracy and seconds; times are looked up first, then the loss, as upstream.

        Raises
        ------
        KeyError
            With the key that upstream misses first.
        """
        loss_at, accuracy_at, time_at = _places(name, self.dataset)
        time = None if time_at is None else self._at(time_at, iepoch)
        total = None
        if time is not None:
            total = self._total(time_at, time, iepoch, keys)  # type: ignore[arg-type]
        elif no_time is None:
            if self._blob()[time_at]:  # type: ignore[index]
                raise KeyError(iepoch)
        elif self._timed():
            raise no_time(f"{name}@{iepoch}", self._keys_text())
        loss = None if loss_at is None else self._at(loss_at, iepoch)
        accuracy = None if accuracy_at is None else self._at(accuracy_at, iepoch)
        if loss is None or accuracy is None:
            raise KeyError(keys[iepoch])
        if len(self._metrics) >= KNOWN_METRICS:
            self._metrics.clear()
        self._metrics[name, iepoch] = found = (iepoch, loss, accuracy, time, total)
        return found

    def _total(self, position: int, time: float, iepoch: int, keys: Sequence[Any]) -> float:
        """Seconds up to an epoch, none missing (`KeyError` names the first that is)."""
        if self._blob()[position] == CONSTANT:
            return sum([time] * (iepoch + 1))
        times = [self._at(position, epoch) for epoch in range(iepoch + 1)]
        if None in times:
            raise KeyError(keys[times.index(None)])
        return sum(times)  # type: ignore[arg-type]

    def _timed(self) -> list[str]:
        """Sets with some time of evaluation."""
        data = self._blob()
        sets = eval_sets(self.dataset)
        return [name for name in sets if data[_positions()[column(name, "time_s")]] != ABSENT]

    def _keys_text(self) -> str:
        """The keys of the evaluation times as upstream's message shows them."""
        names, data = self._timed(), self._blob()
        if all(data[_positions()[column(name, "time_s")]] != PARTIAL for name in names):
            return _full_keys_text(tuple(names), self.epochs)
        return str(self._eval_table("time_s").keys())

    # ------------------------------------------------------------------ costs

    def times(self, mean_of: Callable[[Any], Any], sum_of: Callable[[Any], Any]) -> dict[str, Any]:
        """What `ResultsCount.get_times` gives."""
        if self._times is None or self._times[0] is not mean_of:
            train = self.values("train_time_s")
            seconds: dict[str, list[Any] | None] = {
                "train": None if train is None else [t for t in train if t is not None]
            }
            seconds |= {name: self._whole_seconds(name) for name in self._sets("acc_pct")}
            self._times = mean_of, mean_and_total(seconds, mean_of, sum_of)
        return self._times[1]

    def _whole_seconds(self, name: str) -> list[Any] | None:
        times = self.values(column(name, "time_s"))
        return None if times is None or None in times else list(times)


class BuildLibrary(Library):
    """The records of a build.

    Parameters
    ----------
    folder
        The build.
    benchmark
        What it must be a build of.
    results
        Class of the records: `ArchResults` or a subclass.
    """

    KEPT = 512
    weights = False

    def __init__(
        self, folder: str | Path, benchmark: str, results: type[ArchResults] = ArchResults
    ) -> None:
        bench = open_folder(folder)
        if bench.name != benchmark:
            raise ArtifactError(
                "This is a build of another benchmark.",
                where=folder,
                expected=benchmark,
                found=bench.name,
                todo=f"Give the folder of a build of {benchmark}.",
            )
        self.bench, self._results = bench, results
        self.label = bench.label  # says so when the numbers are made up
        self._strings = room_of(bench.name).enumeration()  # type: ignore[attr-defined]
        self._lengths = {hp: length for length, hp in SCHEDULES[benchmark].items()}
        self._means: dict[tuple[str, str, str], dict[int, float]] = {}
        self._sizes: dict[tuple[str, str], dict[int, Mapping[str, float]]] = {}

    def __reduce__(self) -> tuple:
        return type(self), (self.bench.folder, self.bench.name, self._results)

    @property
    def meta_archs(self) -> list[str]:
        """Every architecture of the space, by index."""
        return list(self._strings)

    def indexes(self) -> list[int]:
        """Architectures that the build holds."""
        rows = self.bench.database.rows("SELECT arch_id FROM architectures ORDER BY arch_id")
        return [index for (index,) in rows]

    def all_hps(self) -> list[str]:
        """Schedules of the build."""
        return [hp for length, hp in self._named() if length in self.bench.schedules]

    def _named(self) -> Iterator[tuple[int, str]]:
        return iter(SCHEDULES[self.bench.name].items())

    def hps(self, index: int) -> list[str]:
        """Schedules that an architecture was trained with; none where the build lacks it."""
        sql = "SELECT DISTINCT num_epochs FROM trials WHERE arch_id = ?"
        found = {length for (length,) in self.bench.database.rows(sql, (int(index),))}
        return [hp for length, hp in self._named() if length in found]

    def record(self, index: int, hp: str) -> ArchResults:
        """The trainings of an architecture with one schedule."""
        rows = self.bench.database.rows(_TRIALS, (int(index), self._lengths[hp]))
        if not rows:
            raise KeyError(hp)
        return self._record_of(int(index), hp, rows)

    def part(self, index: int, hp: str, dataset: str) -> ArchResults:
        """The trainings on one data set with all their curves, in one query."""
        if isinstance(dataset, str) and hp in self._lengths:
            where = (int(index), dataset, self._lengths[hp])
            rows = self.bench.database.rows(_PART, where)
            if rows:
                return self._record_of(int(index), hp, rows)
        return self.record(index, hp)

    def _record_of(self, index: int, hp: str, rows: Sequence[tuple]) -> ArchResults:
        arch_str = self._strings[index]
        length = self._lengths[hp]
        record = self._results(index, arch_str)
        make = record._result_type.from_stored
        seeds: dict[str, list[int]] = {}
        for row in rows:
            record.all_results[row[1], row[2]] = make(
                StoredTrial(self.bench, arch_str, length, row)
            )
            seeds.setdefault(row[1], []).append(row[2])
        record.dataset_seed = {name: sorted(seeds[name]) for name in DATASETS if name in seeds}
        record.clear_net_done = True
        return record

    # ------------------------------------------------------------------ whole spaces

    def accuracies(self, hp: str, dataset: str, setname: str) -> Mapping[int, float]:
        """Mean accuracy after the last epoch of every architecture whose record is whole.

        Those are left out of which upstream might say something else, or fail: where a number is
        missing or NaN, and where the recorded sizes may disagree without seed 888.
        """
        key = (hp, dataset, setname)
        if key not in self._means:
            if len(self._means) >= _KEPT_SCANS:
                self._means.clear()
            self._means[key] = self._read_means(hp, dataset, setname)
        return self._means[key]

    def _read_means(self, hp: str, dataset: str, setname: str) -> dict[int, float]:
        if dataset not in DATASETS or setname not in ("train", *eval_sets(dataset)):
            return {}
        names = [f"{column(setname, kind)}_mean" for kind in ("acc_pct", "loss", "time_s")]
        which = (dataset, self._lengths.get(hp, 0))
        known = " AND ".join(f"{name} IS NOT NULL" for name in (*names, "train_time_total_s_mean"))
        sql = f"SELECT arch_id, {names[0]} FROM means WHERE dataset = ? AND num_epochs = ? AND "  # noqa: S608 - names of columns
        means = dict(self.bench.database.rows(sql + known, which))
        for (index,) in self.bench.database.rows(_WITHOUT_888, which):
            means.pop(index, None)
        return means

    def sizes(self, hp: str, dataset: str) -> Mapping[int, Mapping[str, float]]:
        """Recorded ``flops`` and ``params`` in millions as upstream takes them from its runs."""
        key = (hp, dataset)
        if key not in self._sizes:
            if len(self._sizes) >= _KEPT_SCANS:
                self._sizes.clear()
            self._sizes[key] = self._read_sizes(hp, dataset)
        return self._sizes[key]

    def _read_sizes(self, hp: str, dataset: str) -> dict[int, Mapping[str, float]]:
        rows = self.bench.database.rows(_SIZES, (dataset, self._lengths.get(hp, 0)))
        found: dict[int, Mapping[str, float]] = {}
        choose = self._results.chosen_sizes
        for index, runs in groupby(rows, key=itemgetter(0)):
            _, seeds, flops, params = zip(*runs, strict=True)
            try:
                sizes = [mean(choose(values, seeds)) for values in (flops, params)]
            except (TypeError, ValueError):  # upstream fails, too, when its turn comes
                continue
            found[index] = dict(zip(("flops", "params"), sizes, strict=True))
        return found


_KEPT_SCANS = 8
"""Numbers of whole spaces that are kept, some megabytes each."""

_WITHOUT_888 = """
    SELECT t.arch_id FROM notes n JOIN trials t ON t.trial_id = json_extract(n.key, '$.trial_id')
    WHERE n."table" = 'trials' AND n.kind = 'erratum' AND n.key IS NOT NULL
    AND t.dataset = ? AND t.num_epochs = ? AND NOT EXISTS (
        SELECT 1 FROM trials u WHERE u.arch_id = t.arch_id AND u.dataset = t.dataset
        AND u.num_epochs = t.num_epochs AND u.seed = 888)
"""

_SIZES = (
    "SELECT arch_id, seed, flops_m, params_m FROM trials "
    "WHERE dataset = ? AND num_epochs = ? ORDER BY arch_id, run"
)
