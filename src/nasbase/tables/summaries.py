"""Tables that sum a build up, computed from its finished ``trials`` and ``means``.

`best`: the optimum of every data set, role and schedule, and the test accuracy of the network that
validation chooses. `rank_correlation`: how far one measurement orders the networks as another does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.store.parquet import TableContent, TableWriter
from nasbase.tables.accuracies import Accuracies, Point
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import SUMMARIES, tables
from nasbase.tables.roles import ROLES
from nasbase.tables.statistics import correlations_of_shares, levels

PLACES = 10
"""Networks per ranking of ``best``."""

TOP_PCT = (100, 50, 25, 10, 1)
"""Shares of the networks over which correlations are computed: whole spaces flatter, because bad
networks are easily told from good ones."""


RUNS = 5
"""Runs of a training that are compared with each other: the first ones. Upstream has up to three,
but configurations of NDS that were drawn again and again have many."""


def write_summaries(
    benchmark: str, folder: Path, metadata: Mapping[str, str]
) -> dict[str, TableContent]:
    """Write ``best`` and ``rank_correlation`` of the build whose other tables are in ``folder``.

    Parameters
    ----------
    benchmark
        Name of the benchmark.
    folder
        Folder of the Parquet tables; the new ones are put there.
    metadata
        What every Parquet file of the build says of it.

    Returns
    -------
    dict
        Rows and content digest per table.
    """
    accuracies = Accuracies(benchmark, folder)
    configurations = _configurations(folder) if benchmark == "nds" else None
    rows = {
        "best": best_rows(accuracies, configurations),
        "rank_correlation": correlation_rows(accuracies, configurations),
    }
    contents = {}
    for name in SUMMARIES:
        table = tables(benchmark)[name]
        found = pa.Table.from_pylist(list(rows[name]), schema=arrow_schema(table))
        order = [(key, "ascending") for key in table.sort_key]
        with TableWriter(folder / f"{name}.parquet", table, metadata) as writer:
            writer.write(found.take(pc.sort_indices(found, sort_keys=order)))
        assert writer.content is not None  # the block ended well  # noqa: S101
        contents[name] = writer.content
    return contents


def _configurations(folder: Path) -> pa.Table:
    return pq.read_table(
        folder / "configurations.parquet", columns=["config_id", "arch_id", "proposer"]
    )


# ---------------------------------------------------------------------------------------------
# best


def best_rows(
    accuracies: Accuracies, configurations: pa.Table | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of ``best``; nds needs its configurations, in order of ``config_id``."""
    for dataset, roles in ROLES[accuracies.benchmark].items():
        for role in ("valid", "test"):
            if role not in roles:
                continue
            measured_on, split = roles[role]
            for num_epochs in accuracies.schedules(measured_on):
                test = accuracies.mean(*roles["test"], num_epochs)
                for rule, place in _places(accuracies, measured_on, split, num_epochs):
                    subject = place[accuracies.subject]
                    if configurations is not None:
                        place["arch_id"] = configurations["arch_id"][subject].as_py()
                    yield {
                        "dataset": dataset,
                        "role": role,
                        "num_epochs": num_epochs,
                        "rule": rule,
                        "measured_on": measured_on,
                        "split": split,
                        "test_acc_pct": _known(test[subject]),
                        **place,
                    }


def _places(
    accuracies: Accuracies, dataset: str, split: str, num_epochs: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rule and network of each place, by both rules."""
    mean = accuracies.mean(dataset, split, num_epochs)
    count = accuracies.count(dataset, num_epochs)
    for rank, i in enumerate(highest(mean, PLACES), start=1):
        found = {"rank": rank, accuracies.subject: int(i), "value": float(mean[i])}
        yield "mean", found | {"n": int(count[i])}
    points = accuracies.runs(dataset, split, num_epochs)
    if not points:
        return
    single, number = np.full(accuracies.size, np.nan), np.zeros(accuracies.size, dtype=np.int16)
    for index, point in enumerate(points):
        run = accuracies.at(point)
        better = (run > single) | (np.isnan(single) & ~np.isnan(run))  # of equal ones the first
        single[better], number[better] = run[better], index
    for rank, i in enumerate(highest(single, PLACES), start=1):
        best = points[number[i]].run
        assert best is not None  # noqa: S101
        found = {"rank": rank, accuracies.subject: int(i), "value": float(single[i])}
        seed = accuracies.seed(dataset, num_epochs, best, int(i))
        yield "single", found | {"n": 1, "run": best, "seed": seed}


def highest(values: np.ndarray, places: int | None = None) -> np.ndarray:
    """Positions of the numbers, the highest first, equal ones in order; NaN is left out.

    All of them, or those of the first ``places`` alone.
    """
    known = np.flatnonzero(~np.isnan(values))
    if places is not None and places < len(known):
        least = np.partition(values[known], -places)[-places]
        known = known[values[known] >= least]
    return known[np.argsort(-values[known], kind="stable")][:places]


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


# ---------------------------------------------------------------------------------------------
# rank correlation


def correlation_rows(
    accuracies: Accuracies, configurations: pa.Table | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of ``rank_correlation``.

    NDS compares within each proposer: its configurations have one data set and one schedule each,
    so that only splits and runs can be compared.
    """
    number = 0
    families = list(_families(accuracies, configurations))

    @cache
    def all_levels(point: Point, family: int) -> np.ndarray:
        """Levels within a family, NaN having the highest; most points are compared many times."""
        return levels(accuracies.at(point)[families[family][1]])

    @cache
    def all_falling(point: Point, family: int) -> np.ndarray:
        return _falling(all_levels(point, family))

    for kind, x, y in comparisons(accuracies):
        all_x, all_y = accuracies.at(x), accuracies.at(y)
        for family, (proposer, ids) in enumerate(families):
            sides = [all_x[ids], all_y[ids], all_levels(x, family), all_levels(y, family)]
            both = ~np.isnan(sides[0]) & ~np.isnan(sides[1])
            if np.count_nonzero(both) < 2:
                continue
            if not both.all():
                sides = [side[both] for side in sides]
            order = all_falling(y, family) if both.all() else _falling(sides[3])
            for top_pct, row in _shares(*(side[order] for side in sides)):
                yield {
                    "comparison_id": number,
                    "kind": kind,
                    "top_pct": top_pct,
                    **({} if proposer is None else {"proposer": proposer}),
                    **{f"x_{name}": value for name, value in x._asdict().items()},
                    **{f"y_{name}": value for name, value in y._asdict().items()},
                    **row,
                }
            number += 1


def comparisons(accuracies: Accuracies) -> Iterator[tuple[str, Point, Point]]:
    """What is compared with what: kind, x and y."""
    roles = ROLES[accuracies.benchmark]
    choosing = accuracies.choosing
    measured = {
        role: list(dict.fromkeys(by_role[role] for by_role in roles.values()))
        for role in (choosing, "test")
    }
    everywhere = list(dict.fromkeys([*measured[choosing], *measured["test"]]))
    for where in everywhere:
        for short, long in combinations(accuracies.schedules(where[0]), 2):
            yield "schedules", Point(*where, short), Point(*where, long)
    for places in measured.values():
        for one, other in combinations(places, 2):
            for epochs in accuracies.schedules(one[0]):
                yield "datasets", Point(*one, epochs), Point(*other, epochs)
    for by_role in roles.values():
        for epochs in accuracies.schedules(by_role["test"][0]):
            yield "splits", Point(*by_role[choosing], epochs), Point(*by_role["test"], epochs)
    for where in everywhere:
        for epochs in accuracies.schedules(where[0]):
            for one_run, other_run in combinations(accuracies.runs(*where, epochs)[:RUNS], 2):
                yield "seeds", one_run, other_run
    for by_role in roles.values():
        *short_ones, longest = accuracies.schedules(by_role["test"][0]) or [0]
        for epochs in short_ones:
            yield "proxy", Point(*by_role[choosing], epochs), Point(*by_role["test"], longest)


def _families(
    accuracies: Accuracies, configurations: pa.Table | None
) -> Iterator[tuple[str | None, np.ndarray]]:
    """Networks that are compared with each other, by id."""
    if configurations is None:
        yield None, np.arange(accuracies.size)
        return
    for proposer in sorted(pc.unique(configurations["proposer"]).to_pylist()):
        own = configurations.filter(pc.equal(configurations["proposer"], proposer))
        yield proposer, own["config_id"].to_numpy()


def _falling(levels_y: np.ndarray) -> np.ndarray:
    """Places of numbers, the highest first, equal ones in order; given are their levels."""
    # One integer says both: sorting it is several times faster than a stable sort.
    bits, highest = len(levels_y).bit_length(), int(levels_y.max())
    places = np.arange(len(levels_y))
    falling = np.sort((highest - levels_y).astype(np.int64) << bits | places)
    return (falling & ((1 << bits) - 1)).astype(np.int32)


def _shares(
    x: np.ndarray, y: np.ndarray, levels_x: np.ndarray, levels_y: np.ndarray
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Correlations over the highest of y, which falls; x and y have no NaN."""
    shares = [max(2, round(len(y) * top_pct / 100)) for top_pct in TOP_PCT]
    sizes = sorted(set(shares))
    found = correlations_of_shares(x, y, levels_x, levels_y, sizes)
    of_size = dict(zip(sizes, found, strict=True))
    for top_pct, size in zip(TOP_PCT, shares, strict=True):
        known = {name: _known(value) for name, value in of_size[size]._asdict().items()}
        yield top_pct, {"n": size} | known
