"""Random cells, mutations and neighbours: how searches move about the space of NAS-Bench-101.

The same steps as in the notebook of google-research/nasbench. They work on matrices as given,
before pruning: a vertex that is not in use now may come into use by a later step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nasbase.benchmarks.nb101.space import (
    INPUT,
    LABELS,
    MAX_VERTICES,
    OUTPUT,
    PAIRS,
    Cell,
    Matrix,
    Spec,
    cell_of,
    pad,
    spec_of,
)
from nasbase.errors import SpaceError

if TYPE_CHECKING:
    from random import Random


def random_spec(rng: Random) -> Spec:
    """A random cell of seven vertices, not pruned.

    Every edge is there or not and every label is one of three with equal chance, drawn again
    until the pruned cell belongs to the space (upstream's ``random_spec``). This is not uniform
    over the distinct cells: small ones come much more often.
    """
    while True:
        matrix = [[0] * MAX_VERTICES for _ in range(MAX_VERTICES)]
        for x, y in PAIRS:
            matrix[x][y] = rng.getrandbits(1)
        ops = (INPUT, *(rng.choice(LABELS) for _ in range(MAX_VERTICES - 2)), OUTPUT)
        spec = tuple(map(tuple, matrix)), ops
        if is_cell(spec):
            return spec


def mutate_spec(architecture: Any, rng: Random, rate: float = 1.0) -> Spec:
    """A random cell near another one, not pruned (upstream's ``mutate_spec``).

    Each edge of V vertices is flipped with probability ``rate / V`` and each label changed with
    probability ``rate / (V - 2)``, drawn again until the result belongs to the space. The cell
    itself may come out.

    Parameters
    ----------
    architecture
        A cell in any encoding that holds its structure. A cell of fewer than seven vertices is
        given unconnected ones first, with random labels: upstream's always has seven.
    rng
        Where the draws come from.
    rate
        How much changes.
    """
    matrix, ops = spec_of(architecture)
    given = len(ops)
    matrix, ops = pad(matrix, ops)
    ops = (*ops[: given - 1], *(rng.choice(LABELS) for _ in ops[given - 1 : -1]), OUTPUT)
    size = len(ops)
    while True:
        new_matrix = [list(row) for row in matrix]
        for x in range(size - 1):
            for y in range(x + 1, size):
                if rng.random() < rate / size:
                    new_matrix[x][y] ^= 1
        new_ops = [
            rng.choice([label for label in LABELS if label != op])
            if rng.random() < rate / (size - 2)
            else op
            for op in ops[1:-1]
        ]
        spec = tuple(map(tuple, new_matrix)), (INPUT, *new_ops, OUTPUT)
        if is_cell(spec):
            return spec


def neighbours(architecture: Any) -> dict[str, Cell]:
    """The distinct cells one edit away, by hash: one edge flipped or one label changed.

    The edit is made to the matrix as given; its result is pruned, kept if it belongs to the
    space, and the cell itself is left out. A stored cell is pruned, so that nothing can be added
    to it but edges between its vertices; a matrix with unused vertices has more neighbours.
    """
    matrix, ops = spec_of(architecture)
    own = cell_of(architecture).hash
    found: dict[str, Cell] = {}
    for spec in _edits(matrix, ops):
        try:
            cell = cell_of(spec)
        except SpaceError:
            continue  # the edit leads out of the space
        found.setdefault(cell.hash, cell)
    found.pop(own, None)
    return dict(sorted(found.items()))


def is_cell(architecture: Any) -> bool:
    """Whether a structure is a cell of the space once it is pruned."""
    try:
        cell_of(architecture)
    except SpaceError:
        return False
    return True


def _edits(matrix: Matrix, ops: tuple[str, ...]) -> list[Spec]:
    size = len(ops)
    edits: list[Spec] = []
    for x in range(size - 1):
        for y in range(x + 1, size):
            row = (*matrix[x][:y], 1 - matrix[x][y], *matrix[x][y + 1 :])
            edits.append(((*matrix[:x], row, *matrix[x + 1 :]), ops))
    for vertex in range(1, size - 1):
        edits += [
            (matrix, (*ops[:vertex], label, *ops[vertex + 1 :]))
            for label in LABELS
            if label != ops[vertex]
        ]
    return edits
