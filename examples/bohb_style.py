"""A search in the style of BOHB (Falkner et al., ICML 2018), with the papers' settings.

    python examples/bohb_style.py
    python examples/bohb_style.py --benchmark nats_tss --dataset cifar10 --runs 500

Hyperband with eta 3: NATS-Bench stops a 12-epoch training after 1, 4 and 12 epochs and pays every
evaluation in full, as its script does; NAS-Bench-101 has trainings of 4, 12, 36 and 108 epochs. New
architectures come from two kernel densities, of the best 15 % and of the rest at the largest
budget that has enough points: 4 candidates are drawn around good points, the one with the largest
ratio of the densities is evaluated. No random fraction, bandwidths of at least 0.3; the bandwidth
factor 3 of the papers concerns continuous genes, of which there are none. The densities are those
of statsmodels for unordered categoricals, which HpBandSter uses, with their quirks: a rule of thumb
for continuous data sets the bandwidths, which may exceed 1, and a choice that no point of a density
has taken may weigh infinitely. One evaluation at a time; HpBandSter keeps one more in its queue.
Budgets as in random_search.py.

The NATS-Bench paper reports, in percent of test accuracy over 500 runs, 93.94 +- 0.28,
72.00 +- 0.86 and 45.70 +- 0.86 on cifar10, cifar100 and ImageNet16-120 of the topology space, and
93.01 +- 0.24, 69.90 +- 0.60 and 45.56 +- 0.81 on the size space (quoted at second hand and not
checked).
"""

from __future__ import annotations

import random
import sys
from itertools import count

import numpy as np

from nasbase.search import SearchClock, SearchSpace
from nasbase.search.command import run_example

NAME = "BOHB"
ETA = 3
BEST_PERCENT = 15
SAMPLES = 4
MIN_BANDWIDTH = 0.3
SMALLEST = 1e-32
INVALID_LOSS = 100.0

Fidelity = dict[str, int]
FIDELITIES: dict[str, list[Fidelity]] = {
    "nb101": [{"num_epochs": epochs} for epochs in (4, 12, 36, 108)],
}
DEFAULT: list[Fidelity] = [{"num_epochs": 12, "at_epoch": epoch} for epoch in (1, 4, 12)]


class Density:
    """Product kernel density of categorical points (Aitchison and Aitken)."""

    def __init__(self, points: np.ndarray) -> None:
        self.points = points
        rule = 1.06 * points.std(axis=0) * len(points) ** (-1 / (4 + points.shape[1]))
        self.bandwidth = np.maximum(rule, MIN_BANDWIDTH)
        self.levels = np.array([len(np.unique(column)) for column in points.T])

    def __call__(self, point: np.ndarray) -> float:
        """Density at a point."""
        with np.errstate(divide="ignore", invalid="ignore"):
            other = self.bandwidth / (self.levels - 1)
            kernel = np.where(self.points == point, 1 - self.bandwidth, other)
            return float(kernel.prod(axis=1).mean())

    def draw(self, sizes: tuple[int, ...], numbers: np.random.Generator) -> np.ndarray:
        """A point near one of the density's own."""
        point = self.points[numbers.integers(len(self.points))]
        keep = numbers.random(len(point)) < 1 - self.bandwidth
        return np.where(keep, point, numbers.integers(sizes))


class Model:
    """The two densities of the largest fidelity that has enough points for them."""

    def __init__(self, sizes: tuple[int, ...], numbers: np.random.Generator) -> None:
        self.sizes, self.numbers = sizes, numbers
        self.least = len(sizes) + 1
        self.fidelity = -1
        self.seen: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
        self.densities: tuple[Density, Density] | None = None

    def add(self, fidelity: int, loss: float, genes: tuple[int, ...]) -> None:
        """Learn from an evaluation, unless a larger fidelity has its densities already."""
        if fidelity < self.fidelity:
            return
        seen = self.seen.setdefault(fidelity, [])
        seen.append((loss, genes))
        if len(seen) - self.good(len(seen)) >= self.least:
            self.fidelity, self.densities = fidelity, None  # made when they are needed

    def good(self, points: int) -> int:
        """How many of some points count as good."""
        return max(self.least, BEST_PERCENT * points // 100)

    def fitted(self) -> tuple[Density, Density]:
        """The densities of the good points and of the others."""
        if self.densities is None:
            seen = sorted(self.seen[self.fidelity], key=lambda point: point[0])
            ordered = np.array([genes for _, genes in seen])
            good = self.good(len(ordered))
            bad = max(self.least, (100 - BEST_PERCENT) * len(ordered) // 100)
            self.densities = Density(ordered[:good]), Density(ordered[good : good + bad])
        return self.densities

    def propose(self) -> tuple[int, ...]:
        """The most promising of a few candidates; a random one while there is no model."""
        if self.fidelity < 0:
            return tuple(self.numbers.integers(self.sizes).tolist())
        good, bad = self.fitted()
        best, lowest = None, np.inf
        for _ in range(SAMPLES):
            candidate = good.draw(self.sizes, self.numbers)
            ratio = max(SMALLEST, bad(candidate)) / max(good(candidate), SMALLEST)
            if not np.isfinite(ratio) and np.isfinite(good(candidate)):
                best = candidate  # no bad point has one of its choices
                break
            if ratio < lowest:
                best, lowest = candidate, ratio
        if best is None:
            return tuple(self.numbers.integers(self.sizes).tolist())
        return tuple(best.tolist())


def search(clock: SearchClock, space: SearchSpace, rng: random.Random) -> None:
    """Run brackets of successive halving until the clock stops the search."""
    fidelities = FIDELITIES.get(clock.benchmark, DEFAULT)
    model = Model(space.sizes, np.random.default_rng(rng.getrandbits(64)))

    def loss(genes: tuple[int, ...], rung: int) -> float:
        arch = space.architecture(genes)
        value = INVALID_LOSS
        if arch is not None:
            value = 100 - clock.evaluate(arch, **fidelities[rung]).value
        model.add(rung, value, genes)
        return value

    brackets = len(fidelities)
    for iteration in count():
        halvings = brackets - 1 - iteration % brackets
        start = brackets // (halvings + 1) * ETA**halvings
        first = brackets - 1 - halvings
        results = []
        for _ in range(start):
            genes = model.propose()
            results.append((loss(genes, first), genes))
        for step in range(1, halvings + 1):
            results.sort(key=lambda result: result[0])
            survivors = results[: max(start // ETA**step, 1)]
            results = [(loss(genes, first + step), genes) for _, genes in survivors]


if __name__ == "__main__":
    sys.exit(run_example(search, NAME, __doc__))
