"""What the published figures are figures of, computed from the artifacts.

Every function takes the numbers of a build, and the arguments that `published.yaml` gives under
``of``; it returns plain numbers, texts or lists of them. ``where`` is data set, split and schedule.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.checks.figures.numbers import NoNumberError, NotComparableError, Numbers, by_id
from nasbase.tables.statistics import non_dominated
from nasbase.tables.summaries import highest

Quantity = Callable[..., Any]
QUANTITIES: dict[str, Quantity] = {}
"""The functions of this module, by the name that `published.yaml` uses."""


def quantity(function: Quantity) -> Quantity:
    """Make a function known to `published.yaml`."""
    QUANTITIES[function.__name__] = function
    return function


# ---------------------------------------------------------------------------------------------
# counts


@quantity
def rows(numbers: Numbers, table: str, **equal: Any) -> int:
    """Rows of a table, or those that have the given values."""
    if not equal:
        return numbers.artifacts.parquet(table).metadata.num_rows
    return numbers.read(table, list(equal), **equal).num_rows


@quantity
def rows_up_to(numbers: Numbers, table: str, column: str, at_most: int) -> int:
    """Rows of a table whose column does not exceed a number."""
    return int(pc.sum(pc.less_equal(numbers.read(table, [column])[column], at_most)).as_py())


@quantity
def distinct(numbers: Numbers, table: str, column: str) -> int:
    """Different values of a column."""
    return pc.count_distinct(numbers.read(table, [column])[column]).as_py()


@quantity
def networks_by_runs(numbers: Numbers, dataset: str, num_epochs: int) -> list[int]:
    """Networks that were trained once, twice, three times."""
    count = numbers.accuracies.count(dataset, num_epochs)
    return np.bincount(count, minlength=4)[1:].tolist()


# ---------------------------------------------------------------------------------------------
# the best


@quantity
def best_mean(numbers: Numbers, where: list) -> list:
    """Highest mean over the runs, and the network's id."""
    return _first(numbers.mean(where))


@quantity
def best_mean_value(numbers: Numbers, where: list) -> float:
    """Highest mean over the runs."""
    return _first(numbers.mean(where))[0]


@quantity
def best_mean_network(numbers: Numbers, where: list) -> int:
    """Id of the network of the highest mean."""
    return _first(numbers.mean(where))[1]


@quantity
def best_run(numbers: Numbers, where: list) -> list:
    """Highest value of a single run, and the network's id."""
    points = numbers.accuracies.runs(*where)
    if not points:
        raise NoNumberError("nothing")
    return _first(np.fmax.reduce([numbers.accuracies.at(point) for point in points]))


def _first(values: np.ndarray) -> list:
    order = highest(values)
    if not len(order):
        raise NoNumberError("nothing")
    return [float(values[order[0]]), int(order[0])]


# ---------------------------------------------------------------------------------------------
# single networks


@quantity
def mean_of(numbers: Numbers, arch: int | str, where: list) -> float:
    """Mean over the runs of one network."""
    return float(numbers.mean(where)[numbers.arch_id(arch)])


@quantity
def means_of(
    numbers: Numbers, arch: int | str, dataset: str, num_epochs: int, columns: list[str]
) -> list:
    """Means over the runs of one network."""
    names = [f"{column}_mean" for column in columns]
    arch_id = numbers.arch_id(arch)
    found = numbers.read("means", names, arch_id=arch_id, dataset=dataset, num_epochs=num_epochs)
    return [found[name].to_pylist()[0] if found.num_rows else None for name in names]


@quantity
def runs_of(numbers: Numbers, arch: int | str, columns: list[str], **equal: Any) -> list[list]:
    """Rows of ``trials`` of one network, run by run."""
    found = numbers.read("trials", ["run", *columns], arch_id=numbers.arch_id(arch), **equal)
    return _lists(found.sort_by("run"), columns)


@quantity
def points_of(numbers: Numbers, arch: int | str, columns: list[str], **equal: Any) -> list[list]:
    """Rows of ``curves`` of one network at one epoch, run by run."""
    found = numbers.read("curves", ["run", *columns], arch_id=numbers.arch_id(arch), **equal)
    return _lists(found.sort_by("run"), columns)


def _lists(table: pa.Table, columns: list[str]) -> list[list]:
    return [[row[name] for name in columns] for row in table.to_pylist()]


# ---------------------------------------------------------------------------------------------
# distributions


@quantity
def mean_of_all(numbers: Numbers, where: list) -> float:
    """Mean over all networks, added in order of id; each must have been trained once."""
    dataset, _, num_epochs = where
    if numbers.accuracies.count(dataset, num_epochs).max(initial=0) > 1:
        raise NotComparableError("Networks have several runs, of which upstream drew one each.")
    values = numbers.mean(where)
    return float(np.mean(values[~np.isnan(values)]))


@quantity
def percent_above(numbers: Numbers, where: list, above: float) -> float:
    """Percent of the networks whose mean is above a number."""
    values = _known(numbers.mean(where))
    return float(np.mean(values > above) * 100)


@quantity
def networks_above(numbers: Numbers, where: list, above: float) -> int:
    """Networks whose mean is above a number."""
    return int((_known(numbers.mean(where)) > above).sum())


@quantity
def percent_below(numbers: Numbers, where: list, below: float) -> float:
    """Percent of the networks whose mean is below a number."""
    return float(np.mean(_known(numbers.mean(where)) < below) * 100)


@quantity
def median(numbers: Numbers, where: list) -> float:
    """Median of the networks' means."""
    return float(np.median(_known(numbers.mean(where))))


def _known(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    if not len(known):
        raise NoNumberError("nothing")
    return known


@quantity
def constant_networks(numbers: Numbers, levels: list[list]) -> int:
    """Networks whose means are exactly at the given levels: ``[where, level]`` each."""
    at_level = [np.abs(numbers.mean(where) - level) <= 1e-9 for where, level in levels]
    return int(np.logical_and.reduce(at_level).sum())


@quantity
def median_deviation(numbers: Numbers, where: list, runs: int) -> float:
    """Median of the runs' standard deviation, over the networks with that many runs."""
    dataset, split, num_epochs = where
    name = f"{split}_acc_pct_sd"
    found = numbers.read("means", [name], dataset=dataset, num_epochs=num_epochs, n=runs)
    if not found.num_rows:
        raise NoNumberError(f"no network with {runs} runs")
    return float(np.median(found[name].to_numpy()))


@quantity
def pareto_size(numbers: Numbers, where: list, cost: str) -> int:
    """Networks that no other one beats in mean accuracy and in a cost."""
    dataset, _, num_epochs = where
    if cost == "latency_s":
        found = numbers.read(
            "means", ["arch_id", "latency_s_mean"], dataset=dataset, num_epochs=num_epochs
        )
        costs = by_id(found["arch_id"], found["latency_s_mean"], numbers.accuracies.size)
    else:
        costs = numbers.costs(dataset, cost)
    table = np.column_stack([numbers.mean(where), -costs])
    return int(non_dominated(table[~np.isnan(table).any(axis=1)]).sum())


# ---------------------------------------------------------------------------------------------
# correlations


@quantity
def rank_correlation(
    numbers: Numbers, *, statistic: str, kind: str, x: list, y: list, top_pct: int = 100
) -> float:
    """A number of the table ``rank_correlation``; x and y are data set, split, schedule, run."""
    sides = {"x": x, "y": y}
    wanted = {
        f"{side}_{name}": value
        for side, values in sides.items()
        for name, value in zip(("dataset", "split", "num_epochs"), values, strict=False)
    }
    runs = [f"{side}_run" for side in sides]
    found = numbers.read(
        "rank_correlation", [*runs, statistic], kind=kind, top_pct=top_pct, **wanted
    )
    for row in found.to_pylist():
        if [row[run] for run in runs] == [(*x, None)[3], (*y, None)[3]]:
            return row[statistic]
    raise NoNumberError("no such comparison")


# ---------------------------------------------------------------------------------------------
# what is wrong with recorded sizes, and how times were made (NATS-Bench)


def _sizes(numbers: Numbers, num_epochs: int) -> dict[str, np.ndarray]:
    columns = ["arch_id", "dataset", "seed", "params_m", "flops_m"]
    found = numbers.read("trials", columns, num_epochs=num_epochs)
    return {name: found[name].combine_chunks().to_numpy(zero_copy_only=False) for name in columns}


@quantity
def wrong_params(numbers: Numbers, num_epochs: int, datasets: list[str]) -> list[int]:
    """Trials whose recorded parameters are not those of the network, and their networks."""
    trials = _sizes(numbers, num_epochs)
    wrong = np.zeros(len(trials["arch_id"]), dtype=bool)
    for dataset in datasets:
        here = trials["dataset"] == dataset
        right = numbers.costs(dataset, "params")[trials["arch_id"][here]]
        wrong[here] = np.abs(trials["params_m"][here] * 1e6 - right) > 0.5
    return [int(wrong.sum()), len(np.unique(trials["arch_id"][wrong]))]


@quantity
def pairs_of_equal_size(numbers: Numbers, schedules: list[int], tolerance: float) -> int:
    """Networks times data sets whose recorded sizes agree between two schedules.

    As upstream's API reads them: where the seeds of a training disagree at five decimals, that of
    seed 888 counts (NATS-Bench issue 36).
    """
    short, long = (_sizes_by_pair(numbers, epochs) for epochs in schedules)
    return sum(
        np.allclose(short[pair], long[pair], rtol=tolerance, atol=0)
        for pair in short.keys() & long.keys()
    )


def _sizes_by_pair(numbers: Numbers, num_epochs: int) -> dict[tuple, list[float]]:
    trials = _sizes(numbers, num_epochs)
    names, dataset = np.unique(trials["dataset"], return_inverse=True)
    pair, place = np.unique(trials["arch_id"] * len(names) + dataset, return_inverse=True)
    sizes = []
    for column in ("params_m", "flops_m"):
        values, five = trials[column], np.round(trials[column], 5)
        low, high = np.full(len(pair), np.inf), np.full(len(pair), -np.inf)
        np.minimum.at(low, place, five)
        np.maximum.at(high, place, five)
        chosen = (low == high)[place] | (trials["seed"] == 888)
        count = np.bincount(place[chosen], minlength=len(pair))
        total = np.bincount(place[chosen], weights=values[chosen], minlength=len(pair))
        sizes.append(np.divide(total, count, out=np.full(len(pair), np.nan), where=count > 0))
    found = zip(*(size.tolist() for size in sizes), strict=True)
    return {
        (int(code) // len(names), names[int(code) % len(names)]): list(both)
        for code, both in zip(pair, found, strict=True)
    }


@quantity
def time_ratio(numbers: Numbers, dataset: str, base: str, num_epochs: int) -> list[float]:
    """Lowest and highest ratio of two data sets' training times of the same network."""
    times = []
    for name in (dataset, base):
        found = numbers.read(
            "means", ["arch_id", "train_time_total_s_mean"], dataset=name, num_epochs=num_epochs
        )
        times.append(
            by_id(found["arch_id"], found["train_time_total_s_mean"], numbers.accuracies.size)
        )
    ratio = _known(times[0] / times[1])
    return [float(ratio.min()), float(ratio.max())]


@quantity
def trainings_of_unequal_time(numbers: Numbers, num_epochs: int) -> int:
    """Trainings whose runs took different times."""
    found = numbers.read("means", ["train_time_total_s_sd"], num_epochs=num_epochs)
    return int(pc.sum(pc.greater(found["train_time_total_s_sd"], 1e-6)).as_py() or 0)


# ---------------------------------------------------------------------------------------------
# the best cell of NAS-Bench-101 (section 3.3 of its paper)


@quantity
def labelled_cells_of_best(numbers: Numbers, where: list) -> int:
    """Ways to number the vertices of the best cell."""
    return _labelled(*_cell(numbers, _first(numbers.mean(where))[1]))


@quantity
def cells_within_two_errors(numbers: Numbers, where: list) -> int:
    """Cells other than the best whose mean is within two standard errors of the best one's."""
    return len(_near_best(numbers, where)) - 1


@quantity
def points_within_two_errors(numbers: Numbers, where: list) -> int:
    """Graphs of seven labelled vertices that are, once pruned, the best cell or one near it."""
    return sum(_points(*_cell(numbers, arch_id)) for arch_id in _near_best(numbers, where))


def _near_best(numbers: Numbers, where: list) -> list[int]:
    dataset, split, num_epochs = where
    mean, best = numbers.mean(where), _first(numbers.mean(where))[1]
    row = numbers.read(
        "means", ["n", f"{split}_acc_pct_sd"], arch_id=best, dataset=dataset, num_epochs=num_epochs
    ).to_pylist()[0]
    if row["n"] < 2:
        raise NoNumberError("one run of the best cell")
    error = row[f"{split}_acc_pct_sd"] / np.sqrt(row["n"])
    return np.flatnonzero(mean >= mean[best] - 2 * error).tolist()


def _cell(numbers: Numbers, arch_id: int) -> tuple[np.ndarray, list[str]]:
    columns = ["adjacency", "operations"]
    (row,) = numbers.read("architectures", columns, arch_id=arch_id).to_pylist()
    operations = row["operations"].split(",")
    bits = np.array([int(bit) for bit in row["adjacency"]])
    return bits.reshape(len(operations), -1), operations


def _labelled(matrix: np.ndarray, operations: list[str]) -> int:
    """Different upper triangular matrices with operations that are this graph."""
    last = len(operations) - 1
    found = set()
    for inner in permutations(range(1, last)):
        order = [0, *inner, last]
        moved = matrix[np.ix_(order, order)]
        if not np.tril(moved).any():
            found.add((moved.tobytes(), tuple(operations[i] for i in order)))
    return len(found)


def _points(matrix: np.ndarray, operations: list[str], vertices: int = 7) -> int:
    """Graphs of so many labelled vertices that pruning turns into this one.

    A vertex is pruned if no path from the input leads to it, or none from it to the output. Each
    pruned vertex is one of three kinds: reached from the input (and going nowhere), leading to the
    output (and coming from nowhere), or neither.
    """
    kept = len(operations) - 2
    ways = 0
    for places in product((True, False), repeat=vertices - 2):
        if sum(places) != kept:
            continue
        pruned = [v for v in range(1, vertices - 1) if not places[v - 1]]
        for kinds in product(("reached", "leading", "neither"), repeat=len(pruned)):
            ways += _edge_choices(vertices, dict(zip(pruned, kinds, strict=True)))
    labels = 3 ** (vertices - 2 - kept)
    return ways * labels * _labelled(matrix, operations)


def _edge_choices(vertices: int, kind: dict[int, str]) -> int:
    """Ways to draw the edges of pruned vertices so that each is of its kind."""
    ways = 1
    for vertex, own in kind.items():
        before = [kind.get(v, "kept") for v in range(vertex)]
        after = [kind.get(v, "kept") for v in range(vertex + 1, vertices)]
        # An edge that decides the kind of its end: at least one of them must be there.
        if own == "reached":
            ways *= 2 ** sum(k in ("kept", "reached") for k in before) - 1
        elif own == "leading":
            ways *= 2 ** sum(k in ("kept", "leading") for k in after) - 1
        # Edges between pruned vertices that decide nothing; all others are impossible.
        free = {"leading": ("reached", "neither"), "neither": ("reached", "neither"), "reached": ()}
        ways *= 2 ** sum(k in free[own] for k in after)
    return ways


# ---------------------------------------------------------------------------------------------
# NDS


@quantity
def trainings_in(numbers: Numbers, files: list[str]) -> int:
    """Trainings that came from some raw files."""
    found = numbers.read("trials", ["source_file"])["source_file"]
    return int(pc.sum(pc.is_in(found, value_set=pa.array(files))).as_py() or 0)


@quantity
def normalized_bins(
    numbers: Numbers, files: list[str], windows: dict[str, list[float]], bins: int
) -> list:
    """Empty bins, and the furthest sum of weights from 1, of errors normalized by complexity.

    As upstream's notebooks define it: the networks of a file between two complexities (in millions
    of parameters or billions of operations, bounds excluded) fall into bins of equal width, and
    each bin has the same weight. The notebooks assert that no bin is empty and that weights sum to
    1.
    """
    scale = {"params": 1e-6, "flops": 1e-9}
    empty, furthest = 0, 0.0
    for file in files:
        for column, (low, high) in windows.items():
            found = numbers.read("trials", [column], source_file=file)[column].drop_null()
            complexity = found.to_numpy() * scale[column]
            chosen = complexity[(low < complexity) & (complexity < high)]
            counts, edges = np.histogram(chosen, bins=bins, range=(low, high))
            weights = 1 / counts[np.digitize(chosen, bins=edges) - 1] / bins
            empty += int((counts == 0).sum())
            furthest = max(furthest, abs(1 - float(weights.sum())))
    return [empty, furthest]


@quantity
def job(numbers: Numbers, file: str, position: int, columns: list[str]) -> list:
    """Numbers of one training: columns of ``trials``."""
    found = numbers.read("trials", columns, source_file=file, source_pos=position)
    return [found[name].to_pylist()[0] if found.num_rows else None for name in columns]


@quantity
def job_curve(numbers: Numbers, file: str, position: int, column: str, epochs: list[int]) -> list:
    """The highest value of one training's curve, then those of some epochs."""
    trial = numbers.read("trials", ["trial_id"], source_file=file, source_pos=position)
    if not trial.num_rows:
        raise NoNumberError(f"no training {position} in {file}")
    points = numbers.read("curves", ["epoch", column], trial_id=trial["trial_id"][0].as_py())
    by_epoch = dict(zip(points["epoch"].to_pylist(), points[column].to_pylist(), strict=True))
    return [pc.max(points[column]).as_py(), *(by_epoch.get(epoch) for epoch in epochs)]


@quantity
def stage_settings(numbers: Numbers, proposer: str, dataset: str) -> int:
    """Different settings of a stage (depth, width, bottleneck, groups) in a design space."""
    own = numbers.read("configurations", ["arch_id"], proposer=proposer, dataset=dataset)
    specs = numbers.read("architectures", ["arch_id", "model_spec"])
    chosen = specs.filter(pc.is_in(specs["arch_id"], value_set=own["arch_id"].combine_chunks()))
    settings: set[tuple] = set()
    for spec in map(json.loads, chosen["model_spec"].to_pylist()):
        stages = [spec[name][1:] for name in ("ds", "ws", "bot_muls", "num_gs") if name in spec]
        settings.update(zip(*stages, strict=False))  # the first of each list is the stem
    return len(settings)
