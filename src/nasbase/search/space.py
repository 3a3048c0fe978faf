"""What a search chooses among: the genes of an architecture, and how papers sample and mutate them.

An architecture is a tuple of genes, each the position of a choice: the operations of the topology
space's six edges, the widths of the size space's five layers, the five operations and 21 possible
edges of a NAS-Bench-101 cell (the encoding A of that paper's experiments). The same genes serve
evolution, a policy of independent categoricals, and density models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_sss import space as widths
from nasbase.benchmarks.nb101 import space as cells
from nasbase.errors import QueryError, SpaceError
from nasbase.query.spaces import Space, space_of

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

Genes = tuple[int, ...]
"""Of every gene, the position in the list of its choices."""


class Coding(NamedTuple):
    """The genes of one space.

    Attributes
    ----------
    choices
        What the positions of every gene stand for, by the gene's name in the configuration space.
    groups
        A mutation picks one of these groups of genes, then a gene in it, both uniformly.
    keeps
        Whether a mutation may draw the choice that the gene already has.
    """

    choices: Mapping[str, tuple[Any, ...]]
    groups: tuple[tuple[int, ...], ...]
    keeps: bool


def _edges_by_node() -> tuple[tuple[int, ...], ...]:
    """Upstream's mutation picks a node and then one of the edges that lead to it.

    So an edge into the last node changes less often than the one into the first.
    """
    groups: dict[int, tuple[int, ...]] = {}
    for gene, (_, node) in enumerate(topology.EDGES):
        groups[node] = (*groups.get(node, ()), gene)
    return tuple(groups.values())


TOPOLOGY = Coding(
    dict.fromkeys(topology.EDGE_NAMES, topology.OPERATIONS), _edges_by_node(), keeps=False
)
SIZE = Coding(
    dict.fromkeys(widths.NAMES, widths.CANDIDATES),
    (tuple(range(widths.LAYERS)),),
    keeps=True,  # upstream's mutation draws a width without looking at the old one
)
CELLS = Coding(
    # Operations in the order of the paper's configuration space.
    dict.fromkeys(cells.OP_KEYS, tuple(sorted(cells.LABELS)))
    | dict.fromkeys(cells.EDGE_KEYS, (0, 1)),
    (tuple(range(len(cells.OP_KEYS) + len(cells.EDGE_KEYS))),),
    keeps=False,
)

CODINGS: Mapping[str, Coding] = {
    "nb101": CELLS,
    "nb201": TOPOLOGY,
    "nats_tss": TOPOLOGY,
    "nats_sss": SIZE,
}
"""By benchmark."""


@dataclass(frozen=True)
class SearchSpace:
    """The architectures that a search may propose.

    Attributes
    ----------
    benchmark
        Name of the benchmark.
    coding
        What the genes mean.
    present
        For a build that holds only some architectures: their names by their genes. Whatever is
        sampled or proposed is then one of these. None for a complete build.
    """

    benchmark: str
    coding: Coding
    present: Mapping[Genes, str] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of choices of every gene."""
        return tuple(map(len, self.coding.choices.values()))

    def random(self, rng: Random) -> Genes:
        """Genes drawn uniformly (in a partial build: one of its architectures)."""
        if self.present is not None:
            return rng.choice(tuple(self.present))
        return tuple(rng.randrange(size) for size in self.sizes)

    def mutate(self, genes: Genes, rng: Random) -> Genes:
        """A copy with one gene drawn anew."""
        gene = rng.choice(rng.choice(self.coding.groups))
        size = self.sizes[gene]
        choice = rng.randrange(size)
        while choice == genes[gene] and not self.coding.keeps:
            choice = rng.randrange(size)
        return (*genes[:gene], choice, *genes[gene + 1 :])

    def configuration(self, genes: Genes) -> dict[str, Any]:
        """What the genes stand for, by name: a point of the configuration space."""
        return {
            name: choices[position]
            for (name, choices), position in zip(self.coding.choices.items(), genes, strict=True)
        }

    def architecture(self, genes: Genes) -> str | None:
        """The architecture to be evaluated for some genes: its string, or its hash in nb101.

        None if they are no architecture, which happens in nb101 only: too many edges, or no path
        from input to output. In a partial build, an architecture that is missing is replaced by
        the one that differs from it in the fewest genes (the first of these).
        """
        name = self._name(genes)
        if name is None or self.present is None or name in self.present.values():
            return name
        nearest = min(
            self.present, key=lambda other: sum(a != b for a, b in zip(genes, other, strict=True))
        )
        return self.present[nearest]

    def _name(self, genes: Genes) -> str | None:
        configuration = self.configuration(genes)
        if self.benchmark != "nb101":
            return self._space.from_config(configuration)
        # The paper's experiments count the edges before they prune.
        if sum(configuration[edge] for edge in cells.EDGE_KEYS) > cells.MAX_EDGES:
            return None
        try:
            return self._space.from_config(configuration)
        except SpaceError:
            return None

    @property
    def _space(self) -> Space:
        return _SPACES[self.benchmark]


_SPACES = {name: space_of(name) for name in CODINGS}


def search_space(bench: Benchmark, present_only: bool | None = None) -> SearchSpace:
    """The search space of a benchmark.

    Parameters
    ----------
    bench
        An open benchmark.
    present_only
        Whether to propose only architectures that are in the build, for demonstrations on a part
        of a release. None does so if the build holds fewer architectures than the space.

    Raises
    ------
    QueryError
        If the benchmark has no space to search (nds).
    """
    if bench.name not in CODINGS:
        raise QueryError(
            f"{bench.name} has no space to search: it is a sample of configurations.",
            expected=", ".join(CODINGS),
            found=bench.name,
        )
    complete = SearchSpace(bench.name, CODINGS[bench.name])
    space = _SPACES[bench.name]
    if present_only is None:
        present_only = len(bench) < (space.size or 0)
    if not present_only:
        return complete
    present = {}
    for row in bench:
        stored = (row.adjacency, row.operations) if bench.name == "nb101" else row.arch_str
        chosen = space.to_config(stored)
        genes = tuple(
            choices.index(chosen[name]) for name, choices in complete.coding.choices.items()
        )
        present[genes] = row.hash if bench.name == "nb101" else row.arch_str
    return SearchSpace(bench.name, complete.coding, present)
