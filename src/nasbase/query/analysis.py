"""Comparisons of all architectures: Pareto fronts, rank correlations, distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nasbase.errors import QueryError
from nasbase.query.rows import aligned, brief, ranges
from nasbase.query.value import Tabular, measured
from nasbase.query.values import Values, arch_ids
from nasbase.query.vocabulary import lower_is_better
from nasbase.tables.statistics import correlations, non_dominated

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark


# ---------------------------------------------------------------------------------------------
# Pareto fronts


@dataclass(frozen=True, slots=True, repr=False)
class Front(Tabular):
    """Architectures that no other one beats in every metric, sorted by the first metric.

    ``considered`` were compared; ``without_value`` lack a metric (NaN) and were left out.
    """

    bench: Benchmark
    ids: tuple[int, ...]
    metrics: tuple[str, ...]
    described: tuple[str, ...]
    numbers: tuple[tuple[float, ...], ...]
    considered: int
    without_value: int

    def __len__(self) -> int:
        return len(self.ids)

    def to_dict(self) -> dict[str, list[Any]]:
        """Ids and metrics."""
        columns = {self.bench.subject: list(self.ids)}
        return columns | {
            name: [row[i] for row in self.numbers] for i, name in enumerate(self.metrics)
        }

    def __repr__(self) -> str:
        head = [self.bench.subject, *self.metrics]
        rows = [[str(i), *map(brief, row)] for i, row in zip(self.ids, self.numbers, strict=True)]
        return "\n".join([
            f"Pareto front: {len(self)} of {self.considered}, {self.bench.label}",
            *(f"  {line}" for line in self.described),
            *_left_out(self.without_value),
            *aligned([head, *rows]),
        ])  # fmt: skip


def front(
    bench: Benchmark, names: Sequence[str], directions: Sequence[int], metrics: Sequence[Values]
) -> Front:
    """The non-dominated architectures; a direction is 1 for larger, -1 for smaller."""
    table = np.column_stack([np.asarray(metric) for metric in metrics])
    known = ~np.isnan(table).any(axis=1)
    ids = np.asarray(metrics[0].ids)[known]
    table = table[known]
    on_front = np.flatnonzero(non_dominated(table * np.asarray(directions, dtype=float)))
    order = on_front[np.lexsort((ids[on_front], -directions[0] * table[on_front, 0]))]
    described = []
    for name, direction, metric in zip(names, directions, metrics, strict=True):
        where = measured(metric.split, metric.dataset or "", metric.asked)
        verb = "maximize" if direction > 0 else "minimize"
        described.append(f"{verb} {name}: {metric.column} ({where})")
    return Front(
        bench=bench,
        ids=tuple(ids[order].tolist()),
        metrics=tuple(names),
        described=tuple(described),
        numbers=tuple(map(tuple, table[order].tolist())),
        considered=len(ids),
        without_value=int((~known).sum()),
    )


def _left_out(count: int) -> list[str]:
    return [f"  {count} have a NaN and are left out"] if count else []


# ---------------------------------------------------------------------------------------------
# rank correlation


@dataclass(frozen=True, slots=True, repr=False)
class RankCorrelation(Tabular):
    """How two rankings of the same architectures agree, for all and for the best of them.

    Attributes
    ----------
    top
        Fractions of the architectures, best first by ``against``.
    n, spearman, kendall, pearson
        For each fraction: how many that are, and the three correlations (Kendall's is tau-b). NaN
        where one side is constant.
    """

    bench: Benchmark
    scores: str
    against: str
    top: tuple[float, ...]
    n: tuple[int, ...]
    spearman: tuple[float, ...]
    kendall: tuple[float, ...]
    pearson: tuple[float, ...]

    def to_dict(self) -> dict[str, list[Any]]:
        """One row per fraction."""
        names = ("top", "n", "spearman", "kendall", "pearson")
        return {name: list(getattr(self, name)) for name in names}

    def __repr__(self) -> str:
        columns = [[name, *map(brief, column)] for name, column in self.to_dict().items()]
        lines = [
            f"Rank correlation, {self.bench.label}",
            f"  scores: {self.scores}",
            f"  against: {self.against}",
        ]
        return "\n".join([*lines, *aligned(list(map(list, zip(*columns, strict=True))))])


def rank_correlation(
    bench: Benchmark,
    scores: Sequence[float] | np.ndarray | Mapping[int, float],
    against: Sequence[float] | np.ndarray,
    top: Sequence[float],
) -> RankCorrelation:
    """Correlations of two rankings; `Benchmark.rank_correlation` says how.

    Parameters
    ----------
    scores
        One number per number of ``against``, or numbers by ``arch_id``.
    """
    smaller_first = lower_is_better(getattr(against, "column", None) or "")
    said = f"{len(scores)} given numbers", _said(against)
    if isinstance(scores, Mapping):
        x, y = _by_id(bench, scores, against)
    else:
        said = _said(scores), said[1]
        x, y = (np.array(numbers, dtype=np.float64) for numbers in (scores, against))
    if x.shape != y.shape or x.ndim != 1:
        raise QueryError(
            "There is not one score per architecture.",
            where=bench.label,
            expected=f"{len(y)} numbers, in order",
            found=f"an array of shape {x.shape}",
        )
    if len(x) < 2 or np.isnan(x).any() or np.isnan(y).any():
        raise QueryError(
            "Rankings with gaps, or of fewer than two architectures, cannot be compared.",
            where=bench.label,
            found=f"{len(x)} architectures, {int(np.isnan(x).sum())} NaN in scores, "
            f"{int(np.isnan(y).sum())} in what they are compared with",
        )
    if not len(top):
        raise QueryError("top= lists no fraction.", expected="numbers above 0, at most 1")
    order = np.argsort(y if smaller_first else -y, kind="stable")
    rows = []
    for fraction in top:
        if not 0 < fraction <= 1:
            raise QueryError(
                "top= lists fractions of the architectures.",
                expected="numbers above 0, at most 1",
                found=fraction,
            )
        best = order[: max(2, round(fraction * len(y)))]
        linear, ranks, tau = correlations(x[best], y[best])
        rows.append((len(best), ranks, tau, linear))
    n, s, k, p = zip(*rows, strict=True)
    return RankCorrelation(bench, *said, tuple(map(float, top)), n, s, k, p)


def _by_id(
    bench: Benchmark, scores: Mapping[int, float], against: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of some architectures, and the numbers of the same ones."""
    if isinstance(against, Values) and against.arch_ids is not None:
        ids = against.arch_ids.tolist()
    else:
        ids = arch_ids(bench).tolist()
    if len(ids) != len(set(ids)):
        raise QueryError(
            "An architecture has several numbers to be compared with.",
            where=bench.label,
            todo="Name the configurations: proposer=, generator=, base_lr=, weight_decay=.",
        )
    number = dict(zip(ids, np.asarray(against).tolist(), strict=True))
    absent = [arch_id for arch_id in scores if arch_id not in number]
    if absent:
        raise QueryError(
            f"{len(absent)} architectures with a score have nothing to be compared with.",
            where=bench.label,
            expected=f"architectures among the {len(number)} that were asked for",
            found=f"arch_id {ranges(absent[:20])}",
        )
    pairs = [(score, number[arch_id]) for arch_id, score in scores.items()]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


# ---------------------------------------------------------------------------------------------
# empirical distribution


@dataclass(frozen=True, slots=True, repr=False)
class Ecdf(Tabular):
    """Empirical distribution: ``p[i]`` of the architectures have at most ``x[i]``.

    It is of the ``n`` that have a number; ``without_value`` have NaN and were left out.
    """

    x: np.ndarray
    p: np.ndarray
    n: int
    described: str
    without_value: int

    def at(self, number: float) -> float:
        """Fraction of the architectures that have at most this number."""
        if np.isnan(number):
            raise QueryError("NaN has no place in a distribution.", found=number)
        position = int(np.searchsorted(self.x, number, side="right"))
        return float(self.p[position - 1]) if position else 0.0

    def quantile(self, fraction: float) -> float:
        """Smallest number that at least this fraction of the architectures does not exceed."""
        if not 0 < fraction <= 1:
            raise QueryError(
                "A quantile is of a fraction.", expected="above 0, at most 1", found=fraction
            )
        return float(self.x[np.searchsorted(self.p, fraction)])

    def to_dict(self) -> dict[str, list[Any]]:
        """The steps."""
        return {"x": self.x.tolist(), "p": self.p.tolist()}

    def __repr__(self) -> str:
        quantiles = ", ".join(f"{q:.0%}: {brief(self.quantile(q))}" for q in (0.1, 0.5, 0.9, 1.0))
        lines = [f"Empirical distribution of {self.described}", *_left_out(self.without_value)]
        return "\n".join([*lines, f"  {quantiles}"])


def ecdf(numbers: Values) -> Ecdf:
    """Empirical distribution of the numbers that are not NaN."""
    known = np.asarray(numbers)[~np.isnan(numbers)]
    if not len(known):
        raise QueryError("A distribution of no numbers is nothing.", found=_said(numbers))
    x, counts = np.unique(known, return_counts=True)
    return Ecdf(
        x, np.cumsum(counts) / len(known), len(known), _said(numbers), len(numbers) - len(known)
    )


def _said(numbers: Sequence[float] | np.ndarray) -> str:
    if isinstance(numbers, Values) and numbers.bench is not None:
        return repr(numbers).split("\n", 1)[0]
    return f"{len(numbers)} given numbers"
