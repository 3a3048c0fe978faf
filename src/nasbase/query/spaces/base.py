"""What all search spaces have in common."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from nasbase.benchmarks.encodings import did_you_mean, integer
from nasbase.errors import NasbaseError, SpaceError

if TYPE_CHECKING:
    from random import Random

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
        package = optional("ConfigSpace", "configspace", "A configuration space")
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


def generator(rng: Random | int) -> Random:
    """The generator that a caller gave, or a new one of a seed (`SpaceError` if neither)."""
    from random import Random  # not needed to ask a benchmark something

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


def optional(package: str, extra: str, purpose: str) -> Any:
    """Import a package that a plain installation lacks."""
    try:
        return import_module(package)
    except ImportError as error:
        raise NasbaseError(
            f"{purpose} needs the package {package}, which is not installed.",
            found=str(error),
            todo=f"pip install 'nasbase[{extra}]'",
        ) from error
