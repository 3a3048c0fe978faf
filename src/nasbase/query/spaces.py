"""The search spaces behind one surface: enumerate, draw, read and write every encoding.

What an encoding means is said where the space lives, in its benchmark's room; here stands only
what all spaces have in common. Nothing here needs a build, nor more than the standard library,
except where a method says so.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from operator import attrgetter
from random import Random
from typing import Any, ClassVar, NamedTuple, NoReturn

from nasbase.benchmarks import canonical_name
from nasbase.benchmarks.encodings import did_you_mean, integer
from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_sss import space as channels
from nasbase.benchmarks.nb101 import moves
from nasbase.benchmarks.nb101 import space as cells
from nasbase.benchmarks.nds import space as networks
from nasbase.errors import NasbaseError, SpaceError

Stored = Callable[[str], "tuple[str, str] | None"]
"""From a hash to the adjacency and the operations that a build stores, None if it has none."""


_TEXTS = ("str", "hash")
"""The formats that are texts; no other format is one."""


class Format(NamedTuple):
    """One encoding: what it looks like, and how it is written and read.

    ``write`` and ``read`` go from and to the form in which a space thinks of an architecture. An
    encoding without ``read`` is read as it is without being named.
    """

    meaning: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any] | None = None


class Space(abc.ABC):
    """One search space.

    Attributes
    ----------
    name
        Name of the space: ``topology``, ``size``, ``nb101`` or ``nds``.
    size
        Number of architectures; None where only a sample of the space was ever listed.
    """

    name: ClassVar[str]
    size: ClassVar[int | None]
    _formats: ClassVar[Mapping[str, Format]]
    _choices: ClassVar[Mapping[str, tuple[Any, ...]]]
    _ordered: ClassVar[bool] = False

    def __repr__(self) -> str:
        architectures = "no list of architectures" if self.size is None else f"{self.size:,}"
        return f"<space {self.name}: {architectures}; formats {', '.join(self.formats)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    # ------------------------------------------------------------------ one architecture

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of the encodings that `decode` returns and `encode` accepts by name."""
        return tuple(self._formats)

    def encode(self, architecture: Any, format: str | None = None) -> str:  # noqa: A002
        """Canonical text of an architecture in any encoding.

        Parameters
        ----------
        architecture
            An architecture in one of `formats`.
        format
            Which one it is. Without it the encoding is recognised; integers that stand for
            operations are not, because conventions differ.

        Returns
        -------
        str
            nb101: the hash; topology and size: the architecture string; nds: canonical JSON.

        Raises
        ------
        SpaceError
            If it is no architecture of the space: what was expected, what was found, and the
            nearest name where a name is unknown.
        """
        return self._text(self._read(architecture, format))

    def decode(self, architecture: Any, format: str, *, source: str | None = None) -> Any:  # noqa: A002
        """An architecture in the encoding that is asked for.

        Parameters
        ----------
        architecture
            An architecture in any encoding.
        format
            One of `formats`.
        source
            The format of ``architecture``, as in `encode`.
        """
        write = self._format(format).write
        return write(self._read(architecture, source))

    def is_valid(self, architecture: Any, format: str | None = None) -> bool:  # noqa: A002
        """Whether something is an architecture of the space."""
        try:
            self._read(architecture, format)
        except SpaceError:
            return False
        return True

    def one_hot(self, architecture: Any) -> list[int]:
        """The architecture as zeros and ones: the format ``one_hot``."""
        return self.decode(architecture, "one_hot")

    @abc.abstractmethod
    def neighbours(self, architecture: Any) -> list[str]:
        """Canonical texts of the architectures one edit away: sorted, without itself."""

    # ------------------------------------------------------------------ many architectures

    @abc.abstractmethod
    def enumerate(self) -> Iterator[str]:
        """Canonical texts of all architectures, in the order of their indexes."""

    @abc.abstractmethod
    def random(self, rng: Random | int) -> str:
        """Canonical text of a random architecture.

        Parameters
        ----------
        rng
            A generator, or a seed: the same seed gives the same architecture.
        """

    # ------------------------------------------------------------------ configurations

    def config_space(self, seed: int | None = None) -> Any:
        """The space for optimisers: a ``ConfigSpace.ConfigurationSpace``.

        Needs the package ConfigSpace. `from_config` reads what is drawn from it.

        Raises
        ------
        NasbaseError
            If ConfigSpace is not installed.
        """
        package = _optional("ConfigSpace", "configspace", "A configuration space")
        kind = "OrdinalHyperparameter" if self._ordered else "CategoricalHyperparameter"
        make = getattr(package, kind)
        space = package.ConfigurationSpace(name=self.name, seed=seed)
        default = self.to_config(self._default)
        for name, values in self._choices.items():
            space.add(make(name, values, default_value=default[name]))
        return space

    def from_config(self, configuration: Mapping[str, Any]) -> str:
        """Canonical text of a configuration, as `encode` gives it.

        Parameters
        ----------
        configuration
            A dict as `to_config` makes it, or a ``ConfigSpace.Configuration``.
        """
        return self.encode(configuration, "config")

    def to_config(self, architecture: Any) -> dict[str, Any]:
        """The architecture as a configuration: the format ``config``."""
        return self.decode(architecture, "config")

    # ------------------------------------------------------------------ for the spaces below

    _default: ClassVar[Any]
    """A valid architecture: the default of the configuration space."""

    @abc.abstractmethod
    def _any(self, architecture: Any) -> Any:
        """Recognise an encoding."""

    @abc.abstractmethod
    def _text(self, known: Any) -> str:
        """Canonical text."""

    def _read(self, architecture: Any, format: str | None) -> Any:  # noqa: A002
        if format is None:
            return self._any(architecture)
        meaning, _, read = self._format(format)
        if (format in _TEXTS) != isinstance(architecture, str):
            raise SpaceError(
                f"This is not an architecture in the format {format!r}.",
                expected=meaning,
                found=repr(architecture)[:200],
            )
        return (read or self._any)(architecture)

    def _format(self, name: str) -> Format:
        if name in self._formats:
            return self._formats[name]
        todo = did_you_mean(name, self.formats)
        if name == "index":
            todo = "An index of this benchmark is a rank within one build: ask the build."
        raise SpaceError(
            f"The space {self.name} has no format {name!r}.",
            expected=", ".join(self.formats),
            found=repr(name)[:200],
            todo=todo,
        )


def _coded(convention: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How a topology's tuple of integers is written and read."""
    return (
        partial(topology.to_codes, convention=convention),
        partial(topology.from_codes, convention=convention),
    )


class TopologySpace(Space):
    """Cells of NAS-Bench-201 and of NATS-Bench's topology space: the same cells and indexes."""

    name = "topology"
    size = topology.SIZE
    _formats: ClassVar[Mapping[str, Format]] = {
        "str": Format("|op~0|+|op~0|op~1|+|op~0|op~1|op~2|", topology.arch_str),
        "index": Format("upstream's index, 0 to 15624", topology.index_of, topology.at_index),
        "ops": Format("six operation names", tuple, topology.from_names),
        "nni": Format("NNI's dict {'0_1': 'conv_1x1', ...}", topology.to_nni, topology.from_nni),
        "matrix": Format(
            "4 x 4 codes, row destination, column source", topology.to_matrix, topology.from_matrix
        ),
        "graph": Format(
            "8 x 8 adjacency and labels, operations as vertices",
            topology.to_graph,
            topology.from_graph,
        ),
        "nats": Format("six codes of NATS-Bench", *_coded("nats")),
        "naslib": Format("six codes of NASLib", *_coded("naslib")),
        "one_hot": Format("30 bits, five by edge", topology.to_one_hot, topology.from_one_hot),
        "config": Format(
            "dict {'0_1': 'nor_conv_1x1', ...}", topology.to_config, topology.from_nni
        ),
    }
    _choices: ClassVar[Mapping[str, tuple[Any, ...]]] = dict.fromkeys(
        topology.EDGE_NAMES, topology.OPERATIONS
    )
    _default = ("none",) * len(topology.EDGES)

    def enumerate(self) -> Iterator[str]:
        """All 15,625 architecture strings by index."""
        return iter(topology.enumeration())

    def random(self, rng: Random | int) -> str:
        """One of all, with equal chance."""
        return topology.arch_str(topology.at_index(_generator(rng).randrange(topology.SIZE)))

    def neighbours(self, architecture: Any) -> list[str]:
        """The 24 cells with one other operation."""
        operations = self._any(architecture)
        return sorted(map(topology.arch_str, topology.neighbours(operations)))

    def _any(self, architecture: Any) -> topology.Operations:
        return topology.operations_of(architecture)

    def _text(self, known: topology.Operations) -> str:
        return topology.arch_str(known)


class SizeSpace(Space):
    """NATS-Bench's size space: five widths."""

    name = "size"
    size = channels.SIZE
    _formats: ClassVar[Mapping[str, Format]] = {
        "str": Format("c0:c1:c2:c3:c4", channels.arch_str),
        "index": Format("upstream's index, 0 to 32767", channels.index_of, channels.at_index),
        "channels": Format("five numbers of channels", tuple, channels.from_channels),
        "one_hot": Format("40 bits, eight by layer", channels.to_one_hot, channels.from_one_hot),
        "config": Format("dict {'c0': 8, ...}", channels.to_config, channels.from_config),
    }
    _choices: ClassVar[Mapping[str, tuple[Any, ...]]] = dict.fromkeys(
        channels.NAMES, channels.CANDIDATES
    )
    _ordered = True
    _default = (channels.CANDIDATES[0],) * channels.LAYERS

    def enumerate(self) -> Iterator[str]:
        """All 32,768 architecture strings by index."""
        return iter(channels.enumeration())

    def random(self, rng: Random | int) -> str:
        """One of all, with equal chance."""
        return channels.arch_str(channels.at_index(_generator(rng).randrange(channels.SIZE)))

    def neighbours(self, architecture: Any) -> list[str]:
        """The 35 architectures with one other width."""
        return sorted(map(channels.arch_str, channels.neighbours(self._any(architecture))))

    def _any(self, architecture: Any) -> channels.Channels:
        return channels.channels_of(architecture)

    def _text(self, known: channels.Channels) -> str:
        return channels.arch_str(known)


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
        _optional("numpy", "build", "The list of all cells")
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

        See `nasbase.benchmarks.nb101.moves.random_spec`. This is not uniform over the cells: for
        that, draw from the architectures of a build.
        """
        return moves.random_spec(_generator(rng))

    def mutate_spec(self, architecture: Any, rng: Random | int, rate: float = 1.0) -> cells.Spec:
        """A mutation of a cell, not pruned; see `nasbase.benchmarks.nb101.moves.mutate_spec`."""
        return moves.mutate_spec(self._structure(architecture), _generator(rng), rate)

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


class NetworkSpace(Space):
    """Networks of NDS: specifications that can be read and written, of spaces never listed."""

    name = "nds"
    size = None
    _formats: ClassVar[Mapping[str, Format]] = {
        "str": Format("JSON text, keys sorted, no spaces", attrgetter("text")),
        "spec": Format("dict of model_family, model_spec and cell_spec", networks.to_spec),
        "columns": Format(
            "dict of model_family, and model_spec and cell_spec as JSON texts",
            networks.Network._asdict,
        ),
    }

    def enumerate(self) -> Iterator[str]:
        """Not possible: iterate over the architectures of a build."""
        self._refuse("listed")

    def random(self, rng: Random | int) -> str:  # noqa: ARG002
        """Not possible: draw from the architectures of a build."""
        self._refuse("drawn from")

    def one_hot(self, architecture: Any) -> list[int]:  # noqa: ARG002
        """Not possible: networks differ in what there is to choose."""
        self._refuse("written as vectors of one length")

    def neighbours(self, architecture: Any) -> list[str]:  # noqa: ARG002
        """Not possible: what lies one edit away was hardly ever trained."""
        self._refuse("searched by neighbours")

    def config_space(self, seed: int | None = None) -> Any:  # noqa: ARG002
        """Not possible: a configuration drawn at random was hardly ever trained."""
        self._refuse("described as a configuration space")

    def from_config(self, configuration: Mapping[str, Any]) -> str:
        """Canonical text of a specification."""
        return self.encode(configuration)

    def to_config(self, architecture: Any) -> dict[str, Any]:
        """The specification: the format ``spec``."""
        return self.decode(architecture, "spec")

    def _any(self, architecture: Any) -> networks.Network:
        return networks.network_of(architecture)

    def _text(self, known: networks.Network) -> str:
        return known.text

    def _refuse(self, done: str) -> NoReturn:
        raise SpaceError(
            f"The design spaces of NDS cannot be {done}.",
            expected="one of the networks that were trained, which only a sample of each space was",
            todo="Use the architectures of a build: nasbase.open('nds').sample(n, rng).",
        )


def space_of(benchmark: str, stored: Stored | None = None) -> Space:
    """The search space of a benchmark.

    Parameters
    ----------
    benchmark
        Name or alias. ``nb201`` and ``nats_tss`` have the same space.
    stored
        nb101 only: gives the adjacency and operations that a build stores under a hash.
    """
    spaces: dict[str, Callable[[], Space]] = {
        "nb101": partial(CellSpace, stored),
        "nb201": TopologySpace,
        "nats_tss": TopologySpace,
        "nats_sss": SizeSpace,
        "nds": NetworkSpace,
    }
    return spaces[canonical_name(benchmark)]()


def _generator(rng: Random | int) -> Random:
    if isinstance(rng, Random):
        return rng
    seed = integer(rng)
    if seed is None:
        raise SpaceError(
            "Random architectures need a generator.",
            expected="random.Random or a seed",
            found=repr(rng)[:200],
        )
    return Random(seed)


def _optional(package: str, extra: str, purpose: str) -> Any:
    """Import a package that a plain installation lacks."""
    try:
        return import_module(package)
    except ImportError as error:
        raise NasbaseError(
            f"{purpose} needs the package {package}, which is not installed.",
            found=str(error),
            todo=f"pip install 'nasbase[{extra}]'",
        ) from error
