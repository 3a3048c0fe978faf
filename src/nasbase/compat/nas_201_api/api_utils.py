"""Records of NAS-Bench-201: those of NATS-Bench with numpy's means and assertions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nasbase.compat.nats_bench.api_utils import NASBenchMetaAPI, remap_dataset_set_names
from nasbase.compat.records import results

__all__ = ["ArchResults", "NASBenchMetaAPI", "ResultsCount", "remap_dataset_set_names"]


def mean(values: Sequence[Any]) -> Any:
    """Mean as nas_201_api takes it: numpy's, which adds in another order."""
    import numpy as np

    return np.mean(values)


def total(values: Sequence[Any]) -> Any:
    """Sum as nas_201_api takes it."""
    import numpy as np

    return np.sum(values)


class ResultsCount(results.ResultsCount):
    """One training of one architecture; see `nasbase.compat.records.results.ResultsCount`."""

    _mean = staticmethod(mean)
    _sum = staticmethod(total)

    def judge_valid(self, iepoch: int) -> None:
        """Refuse an epoch outside of the schedule."""
        if not 0 <= iepoch < self.epochs:
            raise AssertionError(f"invalid iepoch={iepoch} < {self.epochs}")

    @staticmethod
    def _no_time(key: str, known: object) -> Exception:  # noqa: ARG004
        return KeyError(key)

    @staticmethod
    def _fail(kind: type[Exception], message: str) -> None:  # noqa: ARG004
        raise AssertionError(message)


class ArchResults(results.ArchResults):
    """Every training of one architecture with one schedule."""

    _result_type = ResultsCount
    _mean = staticmethod(mean)

    @staticmethod
    def chosen_sizes(sizes: Sequence[Any], seeds: Sequence[int]) -> Sequence[Any]:  # noqa: ARG004
        """All sizes: nas_201_api averages them, also where some are those of another cell."""
        return sizes

    def show(self, is_print: bool = False) -> list[str]:
        """Lines about the record; nas_201_api's own method fails, as it calls what is not there."""
        from nasbase.compat.nas_201_api.api_201 import print_information

        return print_information(self, None, is_print)

    def _refuse_seed(self, message: str) -> None:
        raise AssertionError(message)

    def _require(self, holds: bool, name: str, value: object) -> None:
        if not holds:
            raise AssertionError(f"invalid type of value for {name} : {type(value)}")

    @staticmethod
    def _read(path: str) -> Any:
        from nasbase.compat.records.files import load_torch

        return load_torch(path)
