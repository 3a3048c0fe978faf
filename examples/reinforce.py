"""REINFORCE (Williams, 1992) on a tabular benchmark, by the papers' protocols.

    python examples/reinforce.py
    python examples/reinforce.py --benchmark nats_tss --dataset cifar10 --runs 500

The policy is one categorical distribution per gene. NATS-Bench: logits start at 0.001 times a
standard normal number, the reward is the accuracy in percent, the baseline its exponential moving
average (momentum 0.9, corrected for its start), the optimiser Adam with learning rate 0.01.
NAS-Bench-101: logits start at 0, the reward is the accuracy as a fraction, what is no cell is drawn
again, and the optimiser is gradient ascent with learning rate 0.5. Budgets as in random_search.py.

The NATS-Bench paper reports, in percent of test accuracy over 500 runs, 93.90 +- 0.26,
71.86 +- 0.89 and 45.64 +- 0.78 on cifar10, cifar100 and ImageNet16-120 of the topology space, and
93.16 +- 0.21, 69.96 +- 0.57 and 45.71 +- 0.93 on the size space (the latter quoted at second hand
and not checked).
"""

from __future__ import annotations

import random
import sys

import numpy as np

from nasbase.search import SearchClock, SearchSpace
from nasbase.search.command import run_example

NAME = "REINFORCE"
MOMENTUM = 0.9


class Adam:
    """Adam (Kingma and Ba, 2015) with the usual constants; `step` is to be subtracted."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.steps, self.mean, self.square = 0, 0.0, 0.0

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """The change that a gradient asks for."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean = self.mean / (1 - 0.9**self.steps)
        square = self.square / (1 - 0.999**self.steps)
        return self.learning_rate * mean / (np.sqrt(square) + 1e-8)


class Descent:
    """Plain gradient descent."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """The change that a gradient asks for."""
        return self.learning_rate * gradient


def search(clock: SearchClock, space: SearchSpace, rng: random.Random) -> None:
    """Follow the policy gradient until the clock stops the search."""
    on_cells = clock.benchmark == "nb101"
    scale, optimizer = (0.01, Descent(0.5)) if on_cells else (1.0, Adam(0.01))
    numbers = np.random.default_rng(rng.getrandbits(64))
    sizes = np.array(space.sizes)
    used = np.arange(max(sizes)) < sizes[:, None]  # genes may have fewer choices than others
    spread = 0.0 if on_cells else 1e-3
    logits = np.where(used, spread * numbers.standard_normal(used.shape), -np.inf)
    top = bottom = 0.0
    while True:
        policy = np.exp(logits)
        policy /= policy.sum(axis=1, keepdims=True)
        below = policy.cumsum(axis=1) < numbers.random((len(policy), 1))
        choices = np.minimum(below.sum(axis=1), sizes - 1)
        arch = space.architecture(tuple(choices.tolist()))
        if arch is None:
            continue
        reward = scale * clock.evaluate(arch).value
        top = MOMENTUM * top + (1 - MOMENTUM) * reward
        bottom = MOMENTUM * bottom + (1 - MOMENTUM)
        advantage = reward - top / bottom
        taken = np.arange(policy.shape[1]) == choices[:, None]
        gradient = advantage * (policy - taken)  # of minus log-probability times advantage
        logits[used] -= optimizer.step(gradient[used])


if __name__ == "__main__":
    sys.exit(run_example(search, NAME, __doc__))
