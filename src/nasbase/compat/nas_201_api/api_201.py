"""NAS-Bench-201 as nas_201_api shows it."""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

from nasbase.compat.nas_201_api.api_utils import ArchResults
from nasbase.compat.nats_bench.api_topology import SETS_SHOWN, NATStopology
from nasbase.compat.nats_bench.api_utils import NASBenchMetaAPI
from nasbase.compat.records.answers import information_lines
from nasbase.compat.records.library import Library, is_build

ALL_BENCHMARK_FILES = ["NAS-Bench-201-v1_0-e61699.pth", "NAS-Bench-201-v1_1-096897.pth"]
ALL_ARCHIVE_DIRS = ["NAS-Bench-201-v1_1-archive"]

NAMES = {"12": "less", "200": "full"}
"""Upstream's name of each schedule inside its files."""


def print_information(information: Any, extra_info: Any = None, show: bool = False) -> list[str]:
    """Lines about the record of an architecture; ``show`` prints them, too."""
    strings = information_lines(information, extra_info, SETS_SHOWN, _metric_text)
    if show:
        print("\n".join(strings))
    return strings


def _metric_text(found: dict[str, Any]) -> str:
    return f"loss = {found['loss']:.3f}, top1 = {found['accuracy']:.2f}%"


class NASBench201API(NASBenchMetaAPI):
    """NAS-Bench-201.

    Parameters
    ----------
    file_path_or_dict
        The folder of a build of ``nb201``, upstream's ``.pth`` file if it is small, or a dictionary
        of its contents; None: the latest installed build, else upstream's file in ``$TORCH_HOME``.
    verbose
        Whether every call is printed.

    Raises
    ------
    AssertionError
        If there is nothing at the path, or a dictionary lacks a key.
    ValueError
        If it is neither a path nor a dictionary.
    SourceError
        If the file is too large to be held in memory: build it.
    """

    _refusal = AssertionError

    def __init__(self, file_path_or_dict: Any = None, verbose: bool = True) -> None:
        self.filename = None
        self._fast_mode, self._archive_dir = False, None
        self.reset_time()
        source = self._default() if file_path_or_dict is None else file_path_or_dict
        if isinstance(source, str | os.PathLike):
            source = os.fspath(source)
            if verbose:
                print(f"try to create the NAS-Bench-201 api from {source}")
            source = self._open(source)
        elif isinstance(source, dict):
            source = copy.deepcopy(source)
        else:
            raise ValueError(f"invalid type : {type(source)} not in [str, dict]")
        self.verbose = verbose
        self._avaliable_hps = {"12", "200"}
        if isinstance(source, Library):
            self._shelve(source)
        else:
            self._take(source)
        self._number()

    @staticmethod
    def _default() -> str:
        from nasbase.query.opening import latest_folder

        build = latest_folder("nb201")
        path = (
            str(build)
            if build is not None
            else os.path.join(os.environ["TORCH_HOME"], ALL_BENCHMARK_FILES[-1])  # noqa: PTH118
        )
        print(f"Try to use the default NAS-Bench-201 path from {path}.")
        return path

    def _open(self, path: str) -> Any:
        if is_build(path):
            from nasbase.compat.records.stored import BuildLibrary

            library = BuildLibrary(path, "nb201", ArchResults)
            self.filename = library.label
            return library
        if not Path(path).is_file():
            raise AssertionError(f"invalid path : {path}")
        from nasbase.compat.records.files import load_torch

        self.filename = Path(path).name
        return load_torch(path)

    def _shelve(self, library: Library) -> None:
        super()._shelve(library)
        self.evaluated_indexes = list(self.arch2infos_dict)

    def _take(self, content: Any) -> None:
        if not isinstance(content, dict):
            raise AssertionError(f"It should be a dict instead of {type(content)}")
        super()._take(content)
        self.evaluated_indexes = sorted(content["evaluated_indexes"])

    def _entry(self, states: dict[str, Any]) -> OrderedDict[str, Any]:
        make = ArchResults.create_from_state_dict
        return OrderedDict((hp, make(states[name])) for hp, name in NAMES.items())

    # ------------------------------------------------------------------ differences from NATS-Bench

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.evaluated_indexes)}/{len(self.meta_archs)} "
            f"architectures, file={self.filename})"
        )

    def _log(self, text: str, *values: Any) -> None:
        self._say(text, *values)  # without the time

    def _prepare_info(self, index: Any) -> None:
        """Everything is there from the beginning."""

    def _archive(self, root: Any) -> Library | None:  # noqa: ARG002
        return None

    def reload(self, archive_root: Any = None, index: int | None = None) -> None:
        """Read the records of one architecture, or of all, from ``NNNNNN-FULL.pth`` files.

        Parameters
        ----------
        archive_root
            Their folder; None: ``NAS-Bench-201-v1_1-archive`` in ``$TORCH_HOME``.
        index
            The architecture; None: all.
        """
        from nasbase.compat.records.files import load_torch

        if archive_root is None:
            archive_root = os.path.join(  # noqa: PTH118
                os.environ["TORCH_HOME"], ALL_ARCHIVE_DIRS[-1]
            )
        if not Path(archive_root).is_dir():
            raise AssertionError(f"invalid directory : {archive_root}")
        for one in range(len(self)) if index is None else [index]:
            if not 0 <= one < len(self.meta_archs):
                raise AssertionError(f"invalid index of {one}")
            path = os.path.join(archive_root, f"{one:06d}-FULL.pth")  # noqa: PTH118
            if not Path(path).is_file():
                raise AssertionError(f"invalid data path : {path}")
            content = load_torch(path)
            if not (isinstance(content, dict) and "full" in content and "less" in content):
                raise AssertionError(f"invalid format of data in {path}")
            self.arch2infos_dict[one] = self._entry(content)

    def clear_params(self, index: int, hp: str | None = None) -> None:
        """Forget the weights of an architecture, of one schedule or of all."""
        self._say("Call clear_params with index={:} and hp={:}", index, hp)
        if hp is not None and str(hp) not in self.arch2infos_dict.hps(index):
            raise self._hp_missing(index, hp)
        self.arch2infos_dict.clear_params(index, None if hp is None else str(hp))

    def query_info_str_by_arch(self, arch: Any, hp: str = "12") -> str | None:
        """A text of two lines per data set; None where there is no record."""
        self._say("Call query_info_str_by_arch with arch={:} and hp={:}", arch, hp)
        return self._query_info_str_by_arch(arch, hp, print_information)

    def _not_evaluated(self, index: int) -> None:
        print(f"Find this arch-index : {index}, but this arch is not evaluated.")

    def _meta_info(self, arch_index: int, hp: Any, dataset: str | None = None) -> ArchResults:
        self._say("Call query_meta_info_by_index with arch_index={:}, hp={:}", arch_index, hp)
        if arch_index not in self.arch2infos_dict:
            raise ValueError(f"arch_index [{arch_index}] does not in arch2infos")
        if hp not in self.arch2infos_dict.hps(arch_index):  # a number is no name here
            raise self._hp_missing(arch_index, hp)
        return self.arch2infos_dict.record(arch_index, hp, dataset)  # type: ignore[return-value]

    def simulate_train_eval(  # type: ignore[override]
        self, arch: Any, dataset: str, hp: str = "12", account_time: bool = True
    ) -> tuple[float, float, float, float]:
        """Train and validate an architecture on the simulated clock; latency is that of '12'."""
        index = self.query_index_by_arch(arch)
        names = ("cifar10", "cifar100", "ImageNet16-120")
        if dataset not in names:
            raise AssertionError(f"Invalid dataset name : {dataset} vs {names}")
        trained_on = "cifar10-valid" if dataset == "cifar10" else dataset
        info = self.get_more_info(index, trained_on, iepoch=None, hp=hp, is_random=True)
        accuracy, cost = info["valid-accuracy"], info["train-all-time"] + info["valid-per-time"]
        latency = self.get_latency(index, dataset)
        if account_time:
            self._used_time += cost
        return accuracy, latency, cost, self._used_time

    def find_best(  # type: ignore[override]
        self,
        dataset: str,
        metric_on_set: str,
        FLOP_max: float | None = None,  # noqa: N803 - upstream's names
        Param_max: float | None = None,  # noqa: N803
        hp: str = "12",
    ) -> tuple[int, float | None]:
        """The architecture with the highest mean accuracy after the last epoch; sizes in M."""
        import numpy as np

        limits = (FLOP_max, Param_max)
        best, highest = super().find_best(dataset, metric_on_set, *limits, hp, False)
        return best, None if highest is None else np.float64(highest)

    def _counted(self) -> Any:
        return range(len(self))

    def show(self, index: int = -1) -> None:
        """Print what is known about one architecture, or about all."""
        self._show(index, print_information)

    str2lists = staticmethod(NATStopology.str2lists)

    @staticmethod
    def str2matrix(arch_str: str, search_space: Any = None) -> Any:
        """The cell as a matrix: row destination, column source, value code of the operation."""
        if search_space is None:
            return NATStopology.str2matrix(arch_str)
        return NATStopology.str2matrix(arch_str, search_space)
