"""Checks of the tables that sum a build up, which compute them again in another way.

A place in ``best`` is right if exactly so many networks are better: nothing is sorted. Correlations
are computed from sums, from positions found by bisection, and by counting pairs block by block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.tables.roles import ROLES

PLACES = 10
SHARES = (1, 10, 25, 50, 100)
RUNS = 5
"""Runs of a training that are compared with each other: the first ones."""
TOLERANCE = 1e-9
NULL = -1

SAMPLED_NETWORKS, SAMPLED_CELLS = 600_000, 400
"""Bounds of what is computed again of ``rank_correlation``: cells, and networks in all of them.

A small build is below them: all its cells are."""

BLOCK = 2048


def summary_checks() -> list[Check]:
    """The checks of this module; they hold for every benchmark."""
    return [
        Check("all.best", "Each place of best has as many better networks as it says.", _best),
        Check(
            "all.rank_correlation",
            "Every pair of accuracies is compared once, under its kind; correlations equal those "
            "computed in another way, over a sample in large builds.",
            _rank_correlation,
        ),
    ]


class _Known(NamedTuple):
    """Networks that have a number: ids, numbers, how many runs, and which one."""

    ids: np.ndarray
    values: np.ndarray
    n: np.ndarray
    run: np.ndarray
    seed: np.ndarray


class _Source:
    """The accuracies of a build as the rows of ``means`` and ``trials`` have them."""

    def __init__(self, artifacts: Artifacts) -> None:
        self.roles = ROLES[artifacts.benchmark]
        self.subject = "config_id" if artifacts.benchmark == "nds" else "arch_id"
        self.datasets = [*self.roles]
        splits = sorted({split for roles in self.roles.values() for _, split in roles.values()})
        key = [self.subject, "dataset", "num_epochs"]
        columns = {
            "means": ["n", *(f"{split}_acc_pct_mean" for split in splits)],
            "trials": ["run", "seed", *(f"{split}_acc_pct" for split in splits)],
        }
        self._tables = {
            name: self._arrays(artifacts.table(name, key + own)) for name, own in columns.items()
        }

    def _arrays(self, table: pa.Table) -> dict[str, np.ndarray]:
        """Columns as arrays; a NULL integer is `NULL`, a NULL float NaN, a data set its number."""
        arrays = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name == "dataset":
                known = pa.array(self.datasets)
                column = pc.index_in(column, value_set=known).cast(pa.int8())  # noqa: PLW2901
            if pa.types.is_integer(column.type):
                column = pc.fill_null(column, NULL)  # noqa: PLW2901
            arrays[name] = column.to_numpy()
        return arrays

    def schedules(self, dataset: str) -> list[int]:
        """Schedules that a data set was trained with."""
        means = self._tables["means"]
        here = means["dataset"] == self.datasets.index(dataset)
        return np.unique(means["num_epochs"][here]).tolist()

    def means(self, dataset: str, split: str, num_epochs: int) -> _Known:
        """Networks that have a mean."""
        table = self._tables["means"]
        values = table[f"{split}_acc_pct_mean"]
        at = self._at(table, values, dataset, num_epochs)
        none = np.full(len(at), NULL)
        return _Known(table[self.subject][at], values[at], table["n"][at], none, none)

    def runs(self, dataset: str, split: str, num_epochs: int, run: int | None = None) -> _Known:
        """Runs that have a number, or one run of each network."""
        table = self._tables["trials"]
        values = table[f"{split}_acc_pct"]
        at = self._at(table, values, dataset, num_epochs)
        if run is not None:
            at = at[table["run"][at] == run]
        columns = (table[name][at] for name in ("run", "seed"))
        return _Known(table[self.subject][at], values[at], np.ones(len(at), dtype=int), *columns)

    @property
    def most_runs(self) -> int:
        """Runs of the training that was repeated most often."""
        return int(self._tables["trials"]["run"].max(initial=-1)) + 1

    def side(self, side: _Side) -> _Known:
        """Networks that have the number of one side of a comparison."""
        dataset, split, num_epochs, run = side
        if run is None:
            return self.means(dataset, split, num_epochs)
        return self.runs(dataset, split, num_epochs, run)

    def _at(
        self, table: Mapping[str, np.ndarray], values: np.ndarray, dataset: str, num_epochs: int
    ) -> np.ndarray:
        here = (table["num_epochs"] == num_epochs) & ~np.isnan(values)
        return np.flatnonzero(here & (table["dataset"] == self.datasets.index(dataset)))


# ---------------------------------------------------------------------------------------------
# best


def _best(artifacts: Artifacts, outcome: Outcome) -> None:
    source, seen = _Source(artifacts), 0
    rows = artifacts.table("best").to_pylist()
    if artifacts.benchmark == "nds":
        _architectures(artifacts, rows, outcome)
    for dataset, roles in source.roles.items():
        for role in [name for name in ("valid", "test") if name in roles]:
            for num_epochs in source.schedules(roles[role][0]):
                test = source.means(*roles["test"], num_epochs)
                for rule in ("mean", "single"):
                    key = {"dataset": dataset, "role": role, "num_epochs": num_epochs, "rule": rule}
                    own = [row for row in rows if row.items() >= key.items()]
                    known = _by_rule(source, rule, *roles[role], num_epochs)
                    where = f"{dataset}, {role}, {num_epochs} epochs, {rule}"
                    _ranking(outcome, source.subject, own, known=known, test=test, where=where)
                    _origin(outcome, own, roles[role], where)
                    seen += len(own)
    outcome.count(1, [] if seen == len(rows) else [f"{len(rows) - seen} rows of no ranking"])


def _architectures(artifacts: Artifacts, rows: list[dict], outcome: Outcome) -> None:
    configurations = artifacts.table("configurations", ["config_id", "arch_id"])
    owner = dict(zip(*(column.to_pylist() for column in configurations.columns), strict=True))
    bad = [str(row) for row in rows if owner.get(row["config_id"]) != row["arch_id"]]
    outcome.count(len(rows), bad)


def _by_rule(source: _Source, rule: str, dataset: str, split: str, num_epochs: int) -> _Known:
    if rule == "mean":
        return source.means(dataset, split, num_epochs)
    runs = source.runs(dataset, split, num_epochs)
    highest = np.full(int(runs.ids.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(highest, runs.ids, runs.values)
    best = runs.values == highest[runs.ids]
    first = np.full(len(highest), np.iinfo(np.int16).max)
    np.minimum.at(first, runs.ids[best], runs.run[best])
    best &= runs.run == first[runs.ids]  # of equal runs the first
    return _Known(*(column[best] for column in runs))


def _ranking(
    outcome: Outcome, subject: str, rows: list[dict], *, known: _Known, test: _Known, where: str
) -> None:
    ranks = sorted(row["rank"] for row in rows)
    places = list(range(1, min(PLACES, len(known.ids)) + 1))
    outcome.count(1, [] if ranks == places else [f"{where}: places {ranks}, not {places}"])
    for row in rows:
        mine = row[subject], row["value"], row["n"], *(_number(row[c]) for c in ("run", "seed"))
        found = [tuple(values) for values in zip(*_of(known, row[subject]), strict=True)]
        better = known.values > row["value"]
        better |= (known.values == row["value"]) & (known.ids < row[subject])
        reported = _of(test, row[subject]).values.tolist() or [None]
        right = found == [mine] and better.sum() == row["rank"] - 1
        right &= row["test_acc_pct"] == reported[0]
        outcome.count(1, [] if right else [f"{where}, place {row['rank']}: {row}"])


def _of(known: _Known, subject: int) -> _Known:
    here = known.ids == subject
    return _Known(*(column[here] for column in known))


def _number(value: int | None) -> int:
    return NULL if value is None else value


def _origin(outcome: Outcome, rows: list[dict], origin: tuple[str, str], where: str) -> None:
    bad = [row for row in rows if (row["measured_on"], row["split"]) != origin]
    outcome.count(len(rows), [f"{where}: measured on {row['measured_on']}" for row in bad])


# ---------------------------------------------------------------------------------------------
# rank correlation


def _rank_correlation(artifacts: Artifacts, outcome: Outcome) -> None:
    rows = artifacts.table("rank_correlation").to_pylist()
    keys = [(row["comparison_id"], row["top_pct"]) for row in rows]
    wanted = [(i, share) for i in range(len(rows) // len(SHARES)) for share in SHARES]
    outcome.count(1, [] if keys == wanted else [f"{len(keys)} shares of comparisons, or others"])
    source, families = _Source(artifacts), _families(artifacts)
    right, mine = Counter(_demanded(source, families)), Counter(map(_pair_of, rows[:: len(SHARES)]))
    lost = [f"there is no {pair}" for pair in (right - mine).elements()]
    more = [f"there is {pair}" for pair in (mine - right).elements()]
    outcome.count(right.total() + len(more), lost + more)
    for row in _sample(rows):
        x, y = _compared(source, families, row)
        found = {"n": len(x), **_correlations(x, y)}
        where = f"comparison {row['comparison_id']}, top {row['top_pct']} %"
        bad = [
            f"{where}: {name} {row[name]}, computed {value}"
            for name, value in found.items()
            if not _same(row[name], value)
        ]
        outcome.count(len(found), bad)


_Side = tuple[str, str, int, int | None]
"""Data set, split, schedule, and run of one side; None: the mean over the runs."""

_Pair = tuple[str, _Side, _Side, str | None]
"""What is compared: kind, x and y, and whose networks (nds)."""


def _pair_of(row: Mapping[str, Any]) -> _Pair:
    x, y = (
        (row[f"{s}_dataset"], row[f"{s}_split"], row[f"{s}_num_epochs"], row[f"{s}_run"])
        for s in "xy"
    )
    return row["kind"], x, y, row.get("proposer")


def _demanded(source: _Source, families: Mapping[str, np.ndarray]) -> Iterator[_Pair]:
    """What has to be compared: all pairs of a kind that two networks have both numbers of."""
    for kind, x, y in _pairs(source):
        ids = np.intersect1d(source.side(x).ids, source.side(y).ids, assume_unique=True)
        if not families and len(ids) > 1:
            yield kind, x, y, None
        for proposer, members in families.items():
            if np.isin(ids, members).sum() > 1:
                yield kind, x, y, proposer


def _pairs(source: _Source) -> Iterator[tuple[str, _Side, _Side]]:
    choosing = "valid" if "valid" in source.roles["cifar10"] else "train"
    by_role = [[*dict.fromkeys(of[role] for of in source.roles.values())]
               for role in (choosing, "test")]  # fmt: skip
    chosen = [(of[choosing], of["test"]) for of in source.roles.values()]
    places = [place for one_role in by_role for place in one_role]
    points = [(*place, epochs) for place in places for epochs in source.schedules(place[0])]
    for x, y in permutations(points, 2):
        if kind := _kind(x, y, by_role, chosen, source.schedules(y[0])):
            yield kind, (*x, None), (*y, None)
    for point in points:
        for run, later in combinations(range(min(RUNS, source.most_runs)), 2):
            yield "seeds", (*point, run), (*point, later)


def _kind(
    x: tuple[str, str, int],
    y: tuple[str, str, int],
    by_role: list[list[tuple[str, str]]],
    chosen: list[tuple[tuple[str, str], tuple[str, str]]],
    schedules: list[int],
) -> str | None:
    """What differs between two means; None: too much, or y would have to come first."""
    places, epochs, more = (x[:2], y[:2]), x[2], y[2]
    if places[0] == places[1]:
        return "schedules" if epochs < more else None
    if epochs == more:
        if places in chosen:
            return "splits"
        alike = (role for role in by_role if {*places} <= {*role})
        in_order = any(role.index(places[0]) < role.index(places[1]) for role in alike)
        return "datasets" if in_order else None
    proxy = places in chosen and epochs in schedules and epochs < more == max(schedules)
    return "proxy" if proxy else None


def _same(stored: float | None, computed: float | None) -> bool:
    if stored is None or computed is None:
        return stored is computed
    return abs(stored - computed) <= TOLERANCE


def _families(artifacts: Artifacts) -> dict[str, np.ndarray]:
    """Configurations of each proposer (nds)."""
    if artifacts.benchmark != "nds":
        return {}
    table = artifacts.table("configurations", ["config_id", "proposer"])
    return {
        name: table.filter(pc.equal(table["proposer"], name))["config_id"].to_numpy()
        for name in pc.unique(table["proposer"]).to_pylist()
    }


def _sample(rows: list[dict]) -> Iterator[dict]:
    """Cells in a fixed mixed order, as long as they hold few enough networks together."""
    networks = 0
    for i in np.random.default_rng(101).permutation(len(rows))[:SAMPLED_CELLS]:
        if not networks or networks + rows[i]["n"] <= SAMPLED_NETWORKS:
            networks += rows[i]["n"]
            yield rows[i]


def _compared(
    source: _Source, families: Mapping[str, np.ndarray], row: dict
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the share's networks."""
    x, y = map(source.side, _pair_of(row)[1:3])
    ids, at_x, at_y = np.intersect1d(x.ids, y.ids, assume_unique=True, return_indices=True)
    if "proposer" in row:
        here = np.isin(ids, families[row["proposer"]])
        ids, at_x, at_y = ids[here], at_x[here], at_y[here]
    count = max(2, round(len(ids) * row["top_pct"] / 100))
    best = np.lexsort((ids, -y.values[at_y]))[:count]
    return x.values[at_x][best], y.values[at_y][best]


def _correlations(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return dict.fromkeys(("pearson", "spearman", "kendall_tau_b"))
    return {
        "pearson": float(np.corrcoef(x, y)[0, 1]),
        "spearman": float(np.corrcoef(_ranks(x), _ranks(y))[0, 1]),
        "kendall_tau_b": _tau(x, y),
    }


def _ranks(x: np.ndarray) -> np.ndarray:
    ordered = np.sort(x)
    return (np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right") + 1) / 2


def _tau(x: np.ndarray, y: np.ndarray) -> float:
    concordant = _rising_pairs(y[np.lexsort((-y, x))])  # equal x: y falls, no pair of them rises
    discordant = _rising_pairs(-y[np.lexsort((y, x))])
    pairs = len(x) * (len(x) - 1) / 2
    counts = (np.unique(side, return_counts=True)[1].astype(float) for side in (x, y))
    untied_x, untied_y = (pairs - (n * (n - 1) / 2).sum() for n in counts)
    return float((concordant - discordant) / np.sqrt(untied_x) / np.sqrt(untied_y))


def _rising_pairs(y: np.ndarray) -> int:
    """Pairs of which the later is the larger, counted block by block."""
    found, before = 0, np.empty(0)
    for start in range(0, len(y), BLOCK):
        block = y[start : start + BLOCK]
        found += int(np.searchsorted(before, block, "left").sum())
        found += int(np.triu(block[:, None] < block[None, :], 1).sum())
        before = np.sort(np.concatenate([before, block]))
    return found
