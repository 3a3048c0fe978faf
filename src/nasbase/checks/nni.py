"""Checks that NNI's database holds what NNI's converter makes of the release.

Nothing here is shared with the writer (`nasbase.store.nni`): statements are compared with the
digest of those in a database that NNI itself made, and every number is derived from the Parquet
tables a second time. The two sides come in different orders and do not fit into memory, so a
training is compared by 64 bits that are mixed from all its numbers.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nds.files import STEMS
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.checks.database import StoredRows, check_file, check_integrity, open_database
from nasbase.store.build import read_build
from nasbase.store.nni import BUILD_TABLE, LEFT_OUT

STATEMENTS = {
    "nb101": "36848949cc3379a76f42ce3c98aabe7e0dae94c8dd62dbd7082fc12ffaa06d0c",
    "nb201": "a8f089830689784c8a082e22ea3bd051a79e5fd935ac70aa947c2dece65214d3",
    "nds": "117dbb6a1f9b74f07b9917ac029929c65122dd4f5e2ff3c8bacdedfc395e997f",
}
"""SHA-256 of the statements of NNI 3.0's own tables and indexes, in order, a line each."""

FETCHED_ROWS = 65_536


def nni_checks() -> list[Check]:
    """The checks of a build that has NNI's database."""
    return [
        Check("all.nni.build", "NNI's database belongs to this build.", _build),
        Check(
            "all.nni.integrity",
            "SQLite's own integrity check passes.",
            lambda artifacts, outcome: check_integrity(artifacts.nni, outcome),
            long=True,
        ),
        Check("all.nni.schema", "Tables and indexes are NNI's to the letter.", _schema),
        Check(
            "all.nni.rows",
            "Every row is what NNI's converter makes of the release.",
            _rows,
            long=True,
        ),
    ]


def _build(artifacts: Artifacts, outcome: Outcome) -> None:
    with closing(open_database(artifacts.nni)) as database:
        found = dict(database.execute(f'SELECT "key", "value" FROM "{BUILD_TABLE}"'))  # noqa: S608
    found.pop(LEFT_OUT, None)  # compared with the rows
    outcome.count(1, [] if found == read_build(artifacts.folder).described() else [str(found)])


def _schema(artifacts: Artifacts, outcome: Outcome) -> None:
    with closing(open_database(artifacts.nni)) as database:
        query = "SELECT sql FROM sqlite_master WHERE tbl_name != ? ORDER BY rowid"
        statements = [sql for (sql,) in database.execute(query, (BUILD_TABLE,))]
    digest = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    same = digest == STATEMENTS[artifacts.benchmark]
    last_first = statements[::-1]  # what does not belong there was added
    outcome.count(len(statements), [] if same else last_first, failed=int(not same))
    check_file(artifacts.nni, 0, 0, outcome)


# ---------------------------------------------------------------------------------------------
# rows


class Tally:
    """Points of each training: how many, and 64 bits of all their numbers, in whatever order."""

    def __init__(self, trainings: int) -> None:
        self.bits = np.zeros(trainings, dtype=np.uint64)
        self.counts = np.zeros(trainings, dtype=np.int64)

    def add(self, training: np.ndarray, columns: Iterable[Any]) -> None:
        """Add points: the training of each, and their numbers column by column."""
        np.add.at(self.bits, training, mixed(columns))
        np.add.at(self.counts, training, 1)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison: bits of each training's own row, and its points.

    ``training`` is the id that NNI gave it in the database, and our ``trial_id`` in the tables.
    """

    bits: np.ndarray
    points: Tally


def mixed(columns: Iterable[Any]) -> np.ndarray:
    """64 bits of each row of numbers; NULL is a NaN, all NaN are one, and 0.0 is -0.0."""
    bits: Any = np.uint64(0)
    for column in columns:
        values = np.asarray(column, dtype=np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        bits = (bits ^ values.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)  # odd: no bit lost
        bits ^= bits >> np.uint64(29)
    return bits


def _rows(artifacts: Artifacts, outcome: Outcome) -> None:
    order, config_id = _trainings(artifacts, outcome)
    if len(order) != len(config_id):
        outcome.count(1, [f"{len(config_id)} trials, not {len(order)}"])
        return
    with closing(open_database(artifacts.nni)) as database:
        _CONFIGS[artifacts.benchmark](artifacts, database, order, config_id, outcome)


def _trainings(artifacts: Artifacts, outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Compare rows and points of all trainings; our order of them, their configurations."""
    expected, order = _EXPECTED[artifacts.benchmark](artifacts)
    found, config_id = _found(artifacts, outcome)
    with closing(open_database(artifacts.nni)) as database:
        query = f'SELECT "value" FROM "{BUILD_TABLE}" WHERE "key" = ?'  # noqa: S608
        (said,) = database.execute(query, (LEFT_OUT,)).fetchone() or (None,)
    left_out = str(len(expected.bits) - len(order))
    outcome.count(1, [] if said == left_out else [f"{LEFT_OUT}: {said}, not {left_out}"])
    if len(config_id) == len(order):
        for what, mine, right in (
            ("row", found.bits, expected.bits),
            ("number of points", found.points.counts, expected.points.counts),
            ("points", found.points.bits, expected.points.bits),
        ):
            bad = np.flatnonzero(mine != right[order])
            outcome.count(len(order), [f"trial {i + 1}: {what}" for i in bad[:5]], len(bad))
    return order, config_id


def _found(artifacts: Artifacts, outcome: Outcome) -> tuple[Side, np.ndarray]:
    """What the database holds, and the configuration of each trial; ids are looked at here."""
    benchmark = artifacts.benchmark
    config_id, bits, number = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.uint64)], 0
    for rows in _fetched(artifacts.nni, f"{benchmark}trialstats"):
        number = _count_ids(rows[0], number, f"{benchmark}trialstats", outcome)
        config_id.append(rows[1].astype(np.int64))  # a copy: a view would keep all columns
        bits.append(mixed(rows[2:]))
    points = Tally(number)
    last, seen = np.zeros((2, 1)), 0
    for rows in _fetched(artifacts.nni, f"{benchmark}intermediatestats"):
        seen = _count_ids(rows[0], seen, f"{benchmark}intermediatestats", outcome)
        above, epoch = np.concatenate([last, rows[1:3]], axis=1)
        rising = (np.diff(above) > 0) | ((np.diff(above) == 0) & (np.diff(epoch) > 0))
        good = rising & (above[1:] <= number)
        bad = [f"intermediate {int(i)}: its trial or epoch" for i in rows[0][~good][:5]]
        outcome.count(0, bad, int((~good).sum()))
        points.add(above[1:][good].astype(np.int64) - 1, rows[2:, good])
        last = rows[1:3, -1:]
    return Side(np.concatenate(bits), points), np.concatenate(config_id)


def _fetched(path: Path, table: str) -> Iterator[np.ndarray]:
    """Rows of a table of numbers in the order of their ids, column by column; NULL is NaN."""
    with closing(open_database(path)) as database:
        names = [name for name, *_ in database.execute(f'SELECT * FROM "{table}"').description]  # noqa: S608
    types = dict.fromkeys(names, pa.float64())
    with StoredRows(path, table, types, "id", FETCHED_ROWS) as stored:
        for rows in stored:
            yield np.array([column.to_numpy() for column in rows.columns])


def _count_ids(ids: np.ndarray, number: int, table: str, outcome: Outcome) -> int:
    """Ids count from 1 without a gap; the last one."""
    bad = ids[ids != np.arange(number + 1, number + 1 + len(ids))]
    outcome.count(len(ids), [f"{table} {int(i)} is not in its place" for i in bad[:5]], len(bad))
    return number + len(ids)


# ---------------------------------------------------------------------------------------------
# what the tables demand


def _stream(artifacts: Artifacts, table: str) -> Iterator[tuple[np.ndarray, pa.Table]]:
    for batch in artifacts.batches(table):
        yield batch["trial_id"].to_numpy(), batch


def _mark(lacking: np.ndarray, training: np.ndarray, columns: Iterable[Any]) -> None:
    """Mark trainings that have NULL or NaN where NNI demands a number."""
    for column in columns:
        lacking[training[np.isnan(np.asarray(column, dtype=np.float64))]] = True


def _expected_nb101(artifacts: Artifacts) -> tuple[Side, np.ndarray]:
    ids = artifacts.table("trials", ["arch_id", "num_epochs", "run", "source_pos", "params"])
    epochs, position = ids["num_epochs"].to_numpy(), ids["source_pos"].to_numpy()
    lacking = ~np.isin(epochs, [4, 12, 36, 108]) | (ids["run"].to_numpy() > 2)
    appears = _first(ids["arch_id"].to_numpy(), position)
    params = ids["params"].to_numpy()[np.argsort(position)[appears]]
    del ids
    bits, points = np.zeros(len(epochs), dtype=np.uint64), Tally(len(epochs))
    accuracies = ["train_acc_pct", "valid_acc_pct", "test_acc_pct"]
    for training, batch in _stream(artifacts, "trials"):
        minutes = pc.multiply(60.0, batch["elapsed_train_time_s"])
        columns = [*batch.select(accuracies), params[training] / 1e6, minutes]
        bits[training] = mixed(columns)
        _mark(lacking, training, columns)
    last = -1
    for training, batch in _stream(artifacts, "curves"):
        later = np.diff(training, prepend=last) == 0
        last = training[-1]
        rows = batch.filter(pa.array(later))
        half = pc.if_else(pc.equal(rows["epoch"], rows["num_epochs"]), 1, 2)
        columns = [*rows.select(accuracies), rows["elapsed_train_time_s"]]
        points.add(training[later], [pc.divide(rows["num_epochs"], half), *columns])
        _mark(lacking, training[later], columns)
    lacking |= points.counts != 2
    return Side(bits, points), _ordered(~lacking, (position, epochs, appears))


def _first(arch_ids: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Where the cell of each training appears first: positions count from 0 (`all.positions`)."""
    first = np.full(arch_ids.max(initial=-1) + 1, len(positions), dtype=positions.dtype)
    np.minimum.at(first, arch_ids, positions)
    return first[arch_ids]


def _ordered(kept: np.ndarray, keys: Sequence[np.ndarray]) -> np.ndarray:
    """Trainings that are kept, sorted by keys of which the last weighs most."""
    order = np.lexsort(tuple(keys))
    return order[kept[order]]


def _expected_nb201(artifacts: Artifacts) -> tuple[Side, np.ndarray]:
    ids = artifacts.table("trials", ["source_pos"])
    lacking = np.zeros(len(ids), dtype=bool)
    bits, points = np.zeros(len(ids), dtype=np.uint64), Tally(len(ids))
    for training, batch in _stream(artifacts, "trials"):
        accuracies, losses, times = (_four(batch, end) for end in ("acc_pct", "loss", "time_s"))
        latency = _or_extra(batch, "latency_s", _latency)
        own = [batch["params_m"], latency, batch["flops_m"]]
        own.append(pc.multiply(pc.cast(batch["num_epochs"], pa.float64()), times[0]))
        columns = [*accuracies, *losses, *own, *times[1:]]
        bits[training] = mixed([batch["seed"], *columns])
        _mark(lacking, training, [*accuracies, *own, *times[1:]])
        _mark(lacking, training, [pc.if_else(pc.is_valid(loss), 0.0, None) for loss in losses])
    for training, batch in _stream(artifacts, "curves"):
        columns = [*_four(batch, "acc_pct"), *_four(batch, "loss")]
        nothing = np.logical_and.reduce([np.asarray(column.is_null()) for column in columns])
        rows = pa.table([batch["epoch"], *columns], names=[*"eabcdfghi"]).filter(pa.array(~nothing))
        points.add(training[~nothing], rows.columns)
    return Side(bits, points), _ordered(~lacking, [ids["source_pos"].to_numpy()])


def _four(batch: pa.Table, end: str) -> list[pa.ChunkedArray]:
    """A series on NNI's train, valid, test and ori_test."""
    train, x_valid, x_test, test = (
        batch[f"{split}_{end}"] for split in ("train", "x_valid", "x_test", "ori_test")
    )
    no_valid = pc.equal(batch["dataset"], "cifar10")
    one_test = pc.starts_with(batch["dataset"], "cifar10")
    one_test = pc.and_(one_test, pc.not_equal(batch["dataset"], "cifar100"))
    valid = pc.if_else(no_valid, test, x_valid)
    return [train, valid, pc.if_else(one_test, test, x_test), test]


def _latency(extra: dict[str, Any]) -> Any:
    match extra.get("latency"):
        case [first, *_]:
            return first
        case _:
            return None


def _or_extra(batch: pa.Table, column: str, find: Any) -> pa.ChunkedArray:
    """A column as float64; where it is NULL, what ``find`` makes of the row's ``extra``."""
    values = batch[column].cast(pa.float64(), safe=False)
    if not values.null_count:
        return values
    extras = batch["extra"].to_pylist()
    values_there = (find(json.loads(extra)) if extra else None for extra in extras)
    numbers = (int, float)  # and no boolean
    found = [float(v) if v is not None and type(v) in numbers else None for v in values_there]
    return pc.coalesce(values, pa.chunked_array([pa.array(found, pa.float64())]))


def _expected_nds(artifacts: Artifacts) -> tuple[Side, np.ndarray]:
    names = ["arch_id", "num_epochs", "source_file", "source_group", "source_pos"]
    ids = artifacts.table("trials", names)
    specs = map(json.loads, artifacts.table("architectures", ["model_spec"])[0].to_pylist())
    short = [s.get("num_nodes_normal", 0) > s.get("num_nodes_reduce", 0) for s in specs]
    lacking = np.array(short, dtype=bool)[ids["arch_id"].to_numpy()]
    bits, points = np.zeros(len(ids), dtype=np.uint64), Tally(len(ids))
    accuracies = ("train_acc_pct", "test_acc_pct")
    best = {name: np.full(len(ids), np.nan) for name in (*accuracies, "train_loss")}
    for training, batch in _stream(artifacts, "curves"):
        starts = np.flatnonzero(np.diff(training, prepend=-1))
        for name, so_far in best.items():
            better = np.fmin if name == "train_loss" else np.fmax
            own = better.reduceat(batch[name].to_numpy(), starts)
            so_far[training[starts]] = better(so_far[training[starts]], own)
        _mark(lacking, training, [batch[name] for name in accuracies])
        _mark(lacking, training, [pc.if_else(pc.is_valid(batch["train_loss"]), 0.0, None)])
        points.add(training, [batch[n] for n in ("epoch", "train_loss", *accuracies)])
    lacking |= points.counts != ids["num_epochs"].to_numpy()
    for training, batch in _stream(artifacts, "trials"):
        seed = _or_extra(batch, "seed", lambda extra: extra.get("rng_seed"))
        required = [np.trunc(np.asarray(seed)), batch[accuracies[0]], batch[accuracies[1]]]
        required += [best[name][training] for name in accuracies]
        for column in ("params", "flops"):
            counted = _or_extra(batch, column, lambda extra, key=column: extra.get(key))
            required.append(pc.divide(counted, 1e6))
        required.append(_or_extra(batch, "iter_time_s", lambda extra: extra.get("iter_time")))
        _mark(lacking, training, required)
        seed, train, test, best_train, best_test, *rest = required
        losses = batch["train_loss"], best["train_loss"][training]
        row = [seed, train, losses[0], test, best_train, losses[1], best_test, *rest]
        bits[training] = mixed(row)
    files = {f"{stem}.json": number for number, stem in enumerate(STEMS)}
    file = np.array([files[name] for name in ids["source_file"].to_pylist()], dtype=np.int64)
    group = np.array([name == "mid" for name in ids["source_group"].to_pylist()], dtype=bool)
    return Side(bits, points), _ordered(~lacking, (ids["source_pos"].to_numpy(), group, file))


_EXPECTED = {"nb101": _expected_nb101, "nb201": _expected_nb201, "nds": _expected_nds}


# ---------------------------------------------------------------------------------------------
# configurations


def _configs_nb101(
    artifacts: Artifacts,
    database: sqlite3.Connection,
    order: np.ndarray,
    config_id: np.ndarray,
    outcome: Outcome,
) -> None:
    """A new configuration for each cell and schedule, described as the cell is released."""
    ids = artifacts.table("trials", ["arch_id", "num_epochs"])
    keys = [ids[name].to_numpy()[order] for name in ("arch_id", "num_epochs")]
    new = np.logical_or.reduce([np.diff(key, prepend=-1) != 0 for key in keys])
    bad = np.flatnonzero(np.cumsum(new) != config_id)
    outcome.count(len(order), [f"trial {i + 1}: configuration" for i in bad[:5]], len(bad))
    names = ["hash", "num_vertices", "adjacency", "operations"]
    cells = artifacts.table("architectures", names)
    wanted = zip(*(key[new].tolist() for key in keys), strict=True)
    columns = "id, arch, num_vertices, hash, num_epochs"
    rows = database.execute(f"SELECT {columns} FROM nb101trialconfig ORDER BY id")  # noqa: S608
    last, cell = "", ("", "")
    before, own = -1, [None] * len(names)
    for number, (arch_id, epochs) in enumerate(wanted, start=1):
        found, arch, *row = rows.fetchone() or (None, "{}", None, None, None)
        if arch != last:
            last, cell = arch, _cell_of(arch)
        if arch_id != before:
            before, own = arch_id, [cells[name][arch_id].as_py() for name in names]
        hashed, vertices, *right = own
        good = [found, *row] == [number, vertices, hashed, epochs] and [*cell] == right
        outcome.count(1, [] if good else [f"nb101trialconfig {number}"])
    more = sum(1 for _ in rows)
    outcome.count(more, [f"{more} configurations too many"] if more else [], more)


def _cell_of(text: str) -> tuple[str, str]:
    """Adjacency and operations that NNI's JSON describes; nothing if it is not written as NNI's."""
    cell = json.loads(text)
    if text != json.dumps(cell, sort_keys=True, separators=(",", ":")):
        return "", ""
    size = sum(key.startswith("input") for key in cell) + 1
    bits = [["0"] * size for _ in range(size)]
    for target in range(1, size):
        for source in cell[f"input{target}"]:
            bits[source][target] = "1"
    operations = ["input", *(cell[f"op{vertex}"] for vertex in range(1, size - 1)), "output"]
    return "".join(map("".join, bits)), ",".join(operations)


def _configs_nb201(
    artifacts: Artifacts,
    database: sqlite3.Connection,
    order: np.ndarray,
    config_id: np.ndarray,
    outcome: Outcome,
) -> None:
    """The whole space on each schedule and data set; each trial stands under its own."""
    names = ["cifar10-valid", "cifar10", "cifar100", "imagenet16-120"]
    where, right = {}, None
    columns = "id, arch, num_epochs, num_channels, num_cells, dataset"
    rows = database.execute(f"SELECT {columns} FROM nb201trialconfig ORDER BY id")  # noqa: S608
    for number, (found, arch, *facts) in enumerate(rows):
        index, rest = divmod(number, 8)
        name = names[rest % 4]
        if not rest:
            cell = json.loads(arch)
            text = json.dumps(cell, sort_keys=True, separators=(",", ":"))
            right = text if topology.index_of(topology.from_nni(cell)) == index else None
        good = found == number + 1 and facts == [200 if rest > 3 else 12, 16, 5, name]
        good &= arch == right and "nor_" not in arch
        where[index, facts[0], name] = found
        outcome.count(1, [] if good else [f"nb201trialconfig {found}"])
    outcome.count(1, [] if len(where) == 125_000 else [f"{len(where)} configurations"])
    trials = artifacts.table("trials", ["arch_id", "num_epochs", "dataset"]).take(order)
    keys = zip(*(column.to_pylist() for column in trials.columns), strict=True)
    demanded = [where.get((arch, epochs, name.lower()), 0) for arch, epochs, name in keys]
    bad = np.flatnonzero(np.array(demanded) != config_id)
    outcome.count(len(order), [f"trial {i + 1}: configuration" for i in bad[:5]], len(bad))


def _configs_nds(
    artifacts: Artifacts,
    database: sqlite3.Connection,
    order: np.ndarray,
    config_id: np.ndarray,
    outcome: Outcome,
) -> None:
    """Configurations differ, are numbered as they appear, and are those of their trials."""
    facts = "dataset, generator, proposer, base_lr, weight_decay, num_epochs"
    columns = f"model_family, model_spec, cell_spec, {facts}"
    rows = database.execute(f"SELECT {columns} FROM ndstrialconfig ORDER BY id").fetchall()  # noqa: S608
    outcome.count(len(rows), ["configurations that are equal"] if len({*rows}) < len(rows) else [])
    top = np.maximum.accumulate(config_id)
    in_order = (np.diff(top, prepend=0) <= 1).all() and (top[-1:] == len(rows)).all()
    outcome.count(1, [] if in_order else ["configurations are not numbered as they appear"])
    ours = artifacts.table("trials", ["config_id"])[0].to_numpy()[order]
    table = artifacts.table("configurations", ["arch_id", *facts.split(", ")])
    specs = ["model_family", "model_spec", "cell_spec"]
    networks = artifacts.table("architectures", specs)
    for own, theirs in np.unique(np.stack([ours, config_id]), axis=1).T.tolist():
        configuration = table.slice(own, 1).to_pylist()[0]
        network = networks.slice(configuration.pop("arch_id"), 1).to_pylist()[0]
        right = [network["model_family"], network["model_spec"], _cut(network)]
        good = 0 < theirs <= len(rows) and [*rows[theirs - 1]] == [*right, *configuration.values()]
        outcome.count(1, [] if good else [f"ndstrialconfig {theirs}"])


def _cut(network: dict[str, str]) -> str:
    """``cell_spec`` without the nodes of the reduction cell that the normal one has not."""
    cell = json.loads(network["cell_spec"])
    nodes = json.loads(network["model_spec"]).get("num_nodes_normal", 0)
    kept = {
        key: value
        for key, value in cell.items()
        if not (key.startswith("reduce_") and key[7:].split("_")[0].isdigit())
        or int(key[7:].split("_")[0]) < nodes
    }
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


_CONFIGS = {"nb101": _configs_nb101, "nb201": _configs_nb201, "nds": _configs_nds}
