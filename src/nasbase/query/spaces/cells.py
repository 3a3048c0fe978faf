"""The space of NAS-Bench-101."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from nasbase.benchmarks.nb101 import moves
from nasbase.benchmarks.nb101 import space as cells
from nasbase.errors import SpaceError
from nasbase.query.spaces.base import Format, Space, generator, optional

if TYPE_CHECKING:
    from random import Random


Stored = Callable[[str], "tuple[str, str] | None"]
"""From a hash to the adjacency and the operations that a build stores, None if it has none."""


class CellSpace(Space):
    """Cells of NAS-Bench-101; their text is the hash, which isomorphic cells share.

    Parameters
    ----------
    stored
        Gives the cell that a build stores under a hash. Without it a hash is only a name: its
        cell cannot be known.
    """

    name = "nb101"
    size = cells.SPACE_SIZE
    _formats: ClassVar[Mapping[str, Format]] = {
        "str": Format("the hash", attrgetter("hash")),
        "hash": Format("32 digits 0-9a-f", attrgetter("hash")),
        "matrix": Format("pair of matrix and operations", tuple, cells.from_pair),
        "bits": Format(
            "pair of adjacency as text of 0 and 1, and operations joined by commas",
            attrgetter("adjacency", "operations"),
            cells.from_pair,
        ),
        "nni": Format("NNI's dict {'op1': ..., 'input1': [0], ...}", cells.to_nni, cells.from_nni),
        "one_hot": Format(
            "36 bits: 21 edges, three by operation", cells.to_one_hot, cells.from_one_hot
        ),
        "config": Format(
            "dict {'edge_0': 0, ..., 'op_node_4': ...}", cells.to_config, cells.from_config
        ),
    }
    _choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **dict.fromkeys(cells.EDGE_KEYS, (0, 1)),
        **dict.fromkeys(cells.OP_KEYS, cells.LABELS),
    }
    _default = ("0100", "input,output")

    def __init__(self, stored: Stored | None = None) -> None:
        self._stored = stored

    def encode(self, architecture: Any, format: str | None = None) -> str:  # noqa: A002
        """Hash of a cell in any encoding; a hash comes back as it is, in lower case.

        A matrix is pruned before it is hashed, so that isomorphic cells are the same. Whether a
        build holds a hash is the build's business.
        """
        if isinstance(architecture, str) and format in (None, "str", "hash"):
            return cells.encode(architecture)
        return super().encode(architecture, format)

    def is_valid(self, architecture: Any, format: str | None = None) -> bool:  # noqa: A002
        """Whether something is a cell of the space, once it is pruned.

        Raises
        ------
        SpaceError
            If a hash is given whose cell is not known: a hash does not say whether it is one of
            the space.
        """
        if isinstance(architecture, str) and format in (None, "str", "hash"):
            if not cells.is_hash(architecture):
                return False
            self._cell_of_hash(architecture)
            return True
        return super().is_valid(architecture, format)

    def enumerate(self) -> Iterator[str]:
        """All 423,624 hashes, sorted: the indexes of a complete build.

        Needs numpy. The first time takes about half a minute; the result is kept in the cache
        folder (``$NASBASE_CACHE``).
        """
        return (text for text, _ in self.enumerate_cells())

    def enumerate_cells(self) -> Iterator[tuple[str, cells.Cell]]:
        """Hash and cell of every architecture, in the order of the hashes; see `enumerate`."""
        optional("numpy", "build", "The list of all cells")
        from nasbase.benchmarks.nb101.enumeration import cell_from, full_space

        space = full_space()
        columns = (space.vertices, space.graphs, space.labelings)
        coded = zip(*(column.tolist() for column in columns), strict=True)
        for text, code in zip(space.hashes.tolist(), coded, strict=True):
            yield text.decode(), cell_from(*code)

    def random(self, rng: Random | int) -> str:
        """Hash of a random matrix of seven vertices, as `random_spec` draws it."""
        return cells.cell_of(self.random_spec(rng)).hash

    def random_spec(self, rng: Random | int) -> cells.Spec:
        """A random matrix of seven vertices with operations, not pruned, as the paper draws them.

        See `nasbase.benchmarks.nb101.moves.random_spec`. Small cells come much more often than
        others: for equal chances draw from the architectures of a build.
        """
        return moves.random_spec(generator(rng))

    def mutate_spec(self, architecture: Any, rng: Random | int, rate: float = 1.0) -> cells.Spec:
        """A mutation of a cell, not pruned; see `nasbase.benchmarks.nb101.moves.mutate_spec`."""
        return moves.mutate_spec(self._structure(architecture), generator(rng), rate)

    def neighbours(self, architecture: Any) -> list[str]:
        """Hashes of the cells of `neighbour_cells`, sorted."""
        return list(self.neighbour_cells(architecture))

    def neighbour_cells(self, architecture: Any) -> dict[str, cells.Cell]:
        """The distinct cells with one edge flipped or one label changed, by hash.

        The edit is made to the matrix as given, before pruning; see
        `nasbase.benchmarks.nb101.moves.neighbours`.
        """
        return moves.neighbours(self._structure(architecture))

    def _any(self, architecture: Any) -> cells.Cell:
        return cells.cell_of(self._structure(architecture))

    def _text(self, known: cells.Cell) -> str:
        return known.hash

    def _structure(self, architecture: Any) -> Any:
        return self._cell_of_hash(architecture) if isinstance(architecture, str) else architecture

    def _cell_of_hash(self, text: str) -> tuple[str, str]:
        known = cells.encode(text)
        found = self._stored(known) if self._stored else None
        if found is None:
            raise SpaceError(
                "The cell of this hash is not known: a hash cannot be turned back.",
                expected="a hash of this build"
                if self._stored
                else "adjacency and operations, or a build to look the hash up in",
                found=known,
                todo="Give the cell, or use `space` of an open build that holds it.",
            )
        return found
