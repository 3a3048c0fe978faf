"""Regularized evolution (Real et al., AAAI 2019) on a tabular benchmark, by the papers' protocols.

    python examples/regularized_evolution.py
    python examples/regularized_evolution.py --benchmark nats_tss --dataset cifar10 --runs 500

NATS-Bench: a population of 10 random architectures; the best of 3 drawn with replacement is copied
with one gene changed, the child joins the population, the oldest member leaves it. NAS-Bench-101:
population 100, sample 10, as in the script of that paper's experiments; a mutation that is no cell
has accuracy 0, costs nothing, and joins the population like any other. Budgets as in
random_search.py.

The NATS-Bench paper reports, in percent of test accuracy over 500 runs, 94.02 +- 0.31,
72.23 +- 0.84 and 45.77 +- 0.80 on cifar10, cifar100 and ImageNet16-120 of the topology space, and
93.22 +- 0.16, 70.11 +- 0.61 and 45.94 +- 0.92 on the size space (the latter quoted at second hand
and not checked).
"""

from __future__ import annotations

import random
import sys
from collections import deque

from nasbase.search import SearchClock, SearchSpace
from nasbase.search.command import run_example

NAME = "regularized evolution"

POPULATION_AND_SAMPLE = {"nb101": (100, 10)}
DEFAULT = (10, 3)


def search(clock: SearchClock, space: SearchSpace, rng: random.Random) -> None:
    """Evolve a population until the clock stops the search."""
    population_size, sample_size = POPULATION_AND_SAMPLE.get(clock.benchmark, DEFAULT)

    def accuracy(genes: tuple[int, ...]) -> float:
        arch = space.architecture(genes)
        return 0.0 if arch is None else clock.evaluate(arch).value

    population: deque[tuple[float, tuple[int, ...]]] = deque()
    while len(population) < population_size:
        genes = space.random(rng)
        population.append((accuracy(genes), genes))
    while True:
        sample = [rng.choice(population) for _ in range(sample_size)]
        _, parent = max(sample, key=lambda member: member[0])
        child = space.mutate(parent, rng)
        population.append((accuracy(child), child))
        population.popleft()


if __name__ == "__main__":
    sys.exit(run_example(search, NAME, __doc__))
