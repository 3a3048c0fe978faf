"""Random search on a tabular benchmark, by the papers' protocols.

    python examples/random_search.py
    python examples/random_search.py --benchmark nats_tss --dataset cifar10 --runs 500

Every architecture is drawn uniformly and trained for 12 epochs (NAS-Bench-101: 108) until the time
budget is spent: 20,000, 40,000 and 120,000 simulated seconds on cifar10, cifar100 and
ImageNet16-120 (size space: 20,000, 40,000, 60,000; NAS-Bench-101: 10 million).

The NATS-Bench paper reports, in percent of test accuracy over 500 runs, 93.86 +- 0.23,
71.55 +- 0.97 and 45.28 +- 0.97 on the topology space, and 93.03 +- 0.25, 69.72 +- 0.61 and
45.42 +- 0.86 on the size space (the latter quoted at second hand and not checked).
"""

from __future__ import annotations

import random
import sys

from nasbase.search import SearchClock, SearchSpace
from nasbase.search.command import run_example

NAME = "random search"


def search(clock: SearchClock, space: SearchSpace, rng: random.Random) -> None:
    """Evaluate random architectures until the clock stops the search."""
    while True:
        arch = space.architecture(space.random(rng))
        if arch is not None:  # NAS-Bench-101: not every matrix is a cell
            clock.evaluate(arch)


if __name__ == "__main__":
    sys.exit(run_example(search, NAME, __doc__))
