"""The design spaces of NDS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from nasbase.benchmarks.nds import space as networks
from nasbase.errors import SpaceError
from nasbase.query.spaces.base import Format, Space

if TYPE_CHECKING:
    from random import Random


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
