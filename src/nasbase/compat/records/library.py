"""Where records come from, and the mapping of them that the drop-ins show."""

from __future__ import annotations

import abc
from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasbase.compat.records.results import ArchResults


def is_build(path: str) -> bool:
    """Whether a folder is a build of nasbase."""
    return Path(path, "manifest.json").is_file()


class Library(abc.ABC):
    """Records of architectures: of a build, or of upstream's files.

    Attributes
    ----------
    KEPT
        Records that may stay in memory; those of upstream's files are large.
    weights
        Whether records may hold trained weights.
    label
        What a build is; None for upstream's files, which their name describes.
    """

    KEPT = 48
    weights = True
    label: str | None = None

    @property
    @abc.abstractmethod
    def meta_archs(self) -> list[str]:
        """Every architecture of the space, by index."""

    @abc.abstractmethod
    def indexes(self) -> Sequence[int]:
        """Architectures that there are records of."""

    @abc.abstractmethod
    def all_hps(self) -> Sequence[str]:
        """Schedules that architectures were trained with."""

    @abc.abstractmethod
    def hps(self, index: int) -> Sequence[str]:
        """Schedules that one architecture was trained with; empty where there is no such record."""

    @abc.abstractmethod
    def record(self, index: int, hp: str) -> ArchResults:
        """A new object with the trainings of one architecture (`KeyError`: no such schedule)."""

    def part(self, index: int, hp: str, dataset: str) -> ArchResults:  # noqa: ARG002
        """The same, of which only the trainings on one data set are needed."""
        return self.record(index, hp)

    def accuracies(self, hp: str, dataset: str, setname: str) -> Mapping[int, float]:  # noqa: ARG002
        """Mean accuracy after the last epoch by architecture, of those at hand."""
        return {}

    def sizes(self, hp: str, dataset: str) -> Mapping[int, Mapping[str, float]]:  # noqa: ARG002
        """Recorded ``flops`` and ``params`` in millions of the same architectures."""
        return {}

    def entry(self, index: int) -> OrderedDict[str, ArchResults]:
        """The records of one architecture by schedule."""
        return OrderedDict((hp, self.record(index, hp)) for hp in self.hps(index))


class Records(MutableMapping[int, Any]):
    """Index -> schedule -> `ArchResults`: upstream's ``arch2infos_dict``.

    What is in here but has not been looked at is a `Library` to read it from. What has been handed
    out stays, because its owner may change it, and the next question must see the change.

    Parameters
    ----------
    main
        Where most records come from.

    Attributes
    ----------
    apart
        Indexes of those that have been handed out, or come from elsewhere.
    answers
        What has been computed from records that nobody can have changed, by the question.
    """

    MAX_ANSWERS = 4096

    def __init__(self, main: Library | None = None) -> None:
        self._values: dict[int, Any] = {}
        self._recent: OrderedDict[tuple[int, str, str | None], ArchResults] = OrderedDict()
        self._hps: dict[int, Sequence[str]] = {}
        self.main = main
        self.apart: set[int] = set()
        self.answers: dict[tuple, dict[str, Any]] = {}

    def shelve(self, index: int, library: Library, hps: Sequence[str] | None = None) -> None:
        """Add an architecture whose records are read when they are asked for."""
        self._forget(index)
        if library is not self.main:
            self.apart.add(index)
        if hps is not None:
            self._hps[index] = hps
        self._values[index] = library

    def _forget(self, index: int) -> None:
        if index in self._values:
            for key in [key for key in tuple(self._recent) if key[0] == index]:
                self._recent.pop(key, None)
            self.answers.clear()
        self._hps.pop(index, None)
        self.apart.discard(index)

    def record(self, index: int, hp: str, dataset: str | None = None) -> ArchResults:
        """The record for looking at: it must neither be changed nor handed out.

        Parameters
        ----------
        dataset
            The only data set that is looked at, if there is only one.
        """
        key = (index, hp, dataset)
        recent = self._recent.pop(key, None)  # in one step: another thread may drop it meanwhile
        if recent is not None:
            self._recent[key] = recent
            return recent
        value = self._values[index]
        if not isinstance(value, Library):
            return value[hp]
        recent = value.record(index, hp) if dataset is None else value.part(index, hp, dataset)
        self._recent[key] = recent
        if len(self._recent) > value.KEPT:
            self._recent.popitem(last=False)
        return recent

    def answered(self, question: tuple, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, kept for the next time; the question begins with the index."""
        if question[0] not in self.apart:
            if len(self.answers) >= self.MAX_ANSWERS:
                self.answers.clear()
            self.answers[question] = dict(answer)
        return answer

    def clear_params(self, index: int, hp: str | None = None) -> None:
        """Forget the weights of an architecture, of one schedule or of all."""
        value = self._values[index]
        if isinstance(value, Library) and not value.weights:
            return
        entry = self[index]
        for result in entry.values() if hp is None else [entry[hp]]:
            result.clear_params()

    def hps(self, index: int) -> list[str]:
        """Schedules of an architecture."""
        value = self._values[index]
        if not isinstance(value, Library):
            return list(value)
        found = self._hps.get(index)
        if found is None:
            found = self._hps[index] = value.hps(index)
        return list(found)

    # ------------------------------------------------------------------ whole spaces

    def accuracies(self, hp: str, dataset: str, setname: str) -> Mapping[int, float]:
        """Mean accuracies that the main library has at hand, also of what is `apart`."""
        return self.main.accuracies(hp, dataset, setname) if self.main else {}

    def sizes(self, hp: str, dataset: str) -> Mapping[int, Mapping[str, float]]:
        """Sizes of the architectures that `accuracies` knows."""
        return self.main.sizes(hp, dataset) if self.main else {}

    # ------------------------------------------------------------------ as a mapping

    def __getitem__(self, index: int) -> Any:
        value = self._values[index]
        if isinstance(value, Library):
            entry = value.entry(index)
            self[index] = entry
            return entry
        return value

    def __setitem__(self, index: int, value: Any) -> None:
        self._forget(index)
        self.apart.add(index)
        self._values[index] = value

    def __delitem__(self, index: int) -> None:
        self._forget(index)
        del self._values[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, index: object) -> bool:
        return index in self._values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} architectures)"
