"""How an interface to one search space is made, and its question about all sets at once."""

from __future__ import annotations

import copy
import os
import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasbase.compat.nats_bench.api_utils import (
    PICKLE_EXT,
    ArchResults,
    NASBenchMetaAPI,
    get_torch_home,
    nats_is_dir,
    nats_is_file,
    time_string,
)
from nasbase.compat.records.library import Library, Records

TRAINED_ON = {"cifar10-valid": "train set", "cifar10": "train+valid sets"}
"""What each CIFAR-10 data set was trained on, as the comment in `get_more_info` says it."""

COMMENT = (
    "In this dict, train-loss/accuracy/time is the metric on the {0} of CIFAR-10. "
    "The test-loss/accuracy/time is the performance of the CIFAR-10 test set after training on "
    "the {0} by {1} epochs. The per-time and total-time indicate the per epoch and total time "
    "costs, respectively."
)


class SpaceAPI(NASBenchMetaAPI):
    """A search space of NATS-Bench.

    Parameters
    ----------
    file_path_or_dict
        The folder of a build, upstream's directory, a tar of it, upstream's benchmark file, or
        a dictionary of its contents; None: the latest installed build, else upstream's file in
        ``$TORCH_HOME`` or ``~/.torch``.
    fast_mode
        Whether architectures are loaded as they are asked for. Upstream's directory needs it, its
        benchmark file forbids it; a build and a tar do with either.
    verbose
        Whether every call is printed.

    Raises
    ------
    ValueError
        If there is nothing at the path, the mode does not fit, or a dictionary lacks a key.
    """

    _benchmark: str
    _timeless = True  # whether None stands for the times of a record without times

    def __init__(
        self, file_path_or_dict: Any = None, fast_mode: bool = False, verbose: bool = True
    ) -> None:
        self.filename = None
        self._fast_mode = fast_mode
        self._archive_dir = None
        self._archives: dict[str, Library | None] = {}
        self.reset_time()
        self.arch2infos_dict = Records()
        self._avaliable_hps = set()
        self.evaluated_indexes = set()
        source = file_path_or_dict
        if source is None:
            source = self._default()
        if isinstance(source, os.PathLike):
            source = os.fspath(source)
        if isinstance(source, str):
            if verbose:
                print(
                    f"{time_string()} Try to create the NATS-Bench ({self._search_space_name}) "
                    f"api from {source} with fast_mode={fast_mode}"
                )
            source = self._open(source)
        elif isinstance(source, dict):
            source = copy.deepcopy(source)
        self.verbose = verbose
        if isinstance(source, dict):
            self._take(source)
        elif isinstance(source, Library):
            self._shelve(source)
        elif self._archive_dir is not None:  # upstream's default folder, in fast mode
            self._shelve(self._library(self._archive_dir))
        else:
            raise ValueError(
                f"file_path_or_dict [{type(source)}] must be a dict or archive_dir must be set"
            )
        self.archstr2index = {}
        for index, arch in enumerate(self.meta_archs):
            if arch in self.archstr2index:
                raise ValueError(
                    f"This [{index}]-th arch {arch} already in the dict "
                    f"({self.archstr2index[arch]})."
                )
            self.archstr2index[arch] = index
        self._log(
            f"Create NATS-Bench ({self._search_space_name}) done with "
            "{:}/{:} architectures avaliable.",
            len(self.evaluated_indexes), len(self.meta_archs),
        )  # fmt: skip

    def _default(self) -> str | None:
        """The latest build, else upstream's file; None for its folder, which is read lazily."""
        from nasbase.query.opening import latest_folder

        base = self._all_base_names[-1]
        build = latest_folder(self._benchmark)
        source: str | None = None
        if build is not None:
            source = str(build)
        elif self._fast_mode:
            self._archive_dir = os.path.join(get_torch_home(), f"{base}-simple")  # noqa: PTH118
        else:
            source = os.path.join(get_torch_home(), f"{base}.{PICKLE_EXT}")  # noqa: PTH118
        print(
            f"{time_string()} Try to use the default NATS-Bench ({self._search_space_name}) path "
            f"from fast_mode={self._fast_mode} and path={source}."
        )
        return source

    def _open(self, path: str) -> Any:
        """A `Library` or upstream's dictionary."""
        is_file, is_dir = nats_is_file(path), nats_is_dir(path)
        if not is_file and not is_dir:
            raise ValueError(f"{path} is neither a file or a dir.")
        self.filename = Path(path).name
        plain_dir = is_dir and not is_build(path)
        if self._fast_mode and is_file and not _is_tar(path):
            raise ValueError(
                f"fast_mode={self._fast_mode} must feed the path for directory : {path}"
            )
        if not self._fast_mode and plain_dir:
            raise ValueError(f"fast_mode={self._fast_mode} must feed the path for file : {path}")
        if is_file and not _is_tar(path):
            from nasbase.compat.records.files import load_large

            return load_large(path)
        if self._fast_mode:
            self._archive_dir = path
        library = self._library(path)
        self.filename = library.label or self.filename
        return library

    def _library(self, path: Any) -> Library:
        library = self._archive(path)
        if library is None:  # as upstream, which looks for the folder's list of architectures
            from nasbase.compat.records.files import MemberLibrary

            return MemberLibrary(path)
        return library

    def _archive(self, root: Any) -> Library | None:
        key = str(root)
        if key not in self._archives:
            self._archives[key] = self._new_archive(key)
        return self._archives[key]

    def _new_archive(self, root: str) -> Library | None:
        if is_build(root):
            from nasbase.compat.records.stored import BuildLibrary

            return BuildLibrary(root, self._benchmark)
        if nats_is_dir(root) or (nats_is_file(root) and _is_tar(root)):
            from nasbase.compat.records.files import MemberLibrary, TarLibrary

            return MemberLibrary(root) if nats_is_dir(root) else TarLibrary(root)
        return None

    def _shelve(self, library: Library) -> None:
        """Take over what a library lists; in fast mode nothing counts as loaded yet."""
        self.meta_archs = list(library.meta_archs)
        self.arch2infos_dict = Records(library)
        if not self._fast_mode:
            for index in library.indexes():
                self.arch2infos_dict.shelve(index, library)
            self.evaluated_indexes = set(self.arch2infos_dict)
            self._avaliable_hps = set(library.all_hps())

    def _take(self, content: dict[str, Any]) -> None:
        """Take over a dictionary with upstream's keys."""
        for key in ("meta_archs", "arch2infos", "evaluated_indexes"):
            if key not in content:
                raise ValueError(f"Can not find key[{key}] in the dict")
        self.meta_archs = copy.deepcopy(content["meta_archs"])
        for index in sorted(content["arch2infos"]):
            states = content["arch2infos"][index]
            entry: OrderedDict[str, ArchResults] = OrderedDict()
            for hp, state in states.items():
                entry[hp] = ArchResults.create_from_state_dict(state)
                self._avaliable_hps.add(hp)
            self.arch2infos_dict[index] = entry
        self.evaluated_indexes = set(content["evaluated_indexes"])

    # ------------------------------------------------------------------ questions

    def query_info_str_by_arch(self, arch: Any, hp: str = "12") -> str | None:
        """A text of two lines per data set; None where the architecture has not been loaded."""
        self._log("Call query_info_str_by_arch with arch={:}and hp={:}", arch, hp)
        return self._query_info_str_by_arch(arch, hp, self._print_information)

    def _print_information(self, information: Any, extra_info: Any = None) -> list[str]:
        raise NotImplementedError

    def show(self, index: int = -1) -> None:
        """Print what is known about one architecture, or about all that have been loaded."""
        self._show(index, self._print_information)

    def get_more_info(
        self,
        index: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str = "12",
        is_random: Any = True,
    ) -> dict[str, Any]:
        """Loss, accuracy and times on every set of a data set after an epoch.

        Parameters
        ----------
        index
            The architecture: index, string, or object with ``tostr()``.
        dataset
            ``cifar10-valid``, ``cifar10``, ``cifar100`` or ``ImageNet16-120``.
        iepoch
            Epoch, from 0; None: the last one.
        hp
            The schedule.
        is_random
            True: one training, drawn with the module `random`; False: the mean of all; a seed:
            that training.

        Returns
        -------
        dict
            ``<set>-loss``, ``-accuracy`` (percent), ``-per-time`` and ``-all-time`` (seconds up to
            the epoch) for ``train`` and, where they were recorded, ``valid``, ``test``,
            ``valtest``.

        Raises
        ------
        ValueError, KeyError
            If there is no such architecture, data set, schedule, epoch or seed.
        """
        self._log(
            "Call the get_more_info function with index={:}, dataset={:}, "
            "iepoch={:}, hp={:}, and is_random={:}.",
            index, dataset, iepoch, hp, is_random,
        )  # fmt: skip
        index = self.query_index_by_arch(index)
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            raise ValueError(f"Did not find {index} from arch2infos_dict.")
        records = self.arch2infos_dict
        record = records.record(index, str(hp), dataset)
        if isinstance(is_random, bool) and is_random:
            is_random = random.choice(record.dataset_seed[dataset])
        question = None
        if type(iepoch) in _EPOCHS and type(is_random) in _RUNS:
            question = (index, hp, dataset, iepoch, type(is_random), is_random)
            known = records.answers.get(question)
            if known is not None:
                return dict(known)
        info = more_info(
            record, dataset, iepoch, is_random, comment=_comment(dataset, hp),
            timeless=self._timeless,
        )  # fmt: skip
        return info if question is None else records.answered(question, info)


_EPOCHS, _RUNS = (int, type(None)), (int, bool)
"""Types of what can be remembered; the type of a run tells False, which is no seed, from 0."""


def _comment(dataset: str, hp: Any) -> str | None:
    return COMMENT.format(TRAINED_ON[dataset], hp) if dataset in TRAINED_ON else None


def more_info(
    record: ArchResults,
    dataset: str,
    iepoch: int | None,
    is_random: Any,
    *,
    comment: str | None = None,
    timeless: bool = True,
) -> dict[str, Any]:
    """What `SpaceAPI.get_more_info` gives, of one record.

    Parameters
    ----------
    is_random
        False: the mean of all trainings; a seed: that training.
    comment
        Value of the key ``comment``, which only CIFAR-10 has.
    timeless
        Whether missing times are None; else they are a `TypeError`, as upstream's division is.
    """

    def metrics(setname: str) -> dict[str, Any]:
        return record.get_metrics(dataset, setname, iepoch=iepoch, is_random=is_random)

    def optional(setname: str) -> dict[str, Any] | None:
        try:
            return metrics(setname)
        # Upstream takes every failure for "not recorded": a missing epoch or set, an unknown seed,
        # tables that somebody has replaced.
        except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError):
            return None

    groups: dict[str, dict[str, Any] | None] = {"train": metrics("train")}
    total = groups["train"]["iepoch"] + 1  # type: ignore[index]
    info = _group("train", groups["train"], total, timeless)
    if dataset == "cifar10-valid":
        groups = {"valid": metrics("x-valid"), "test": optional("ori-test")}
    elif dataset == "cifar10":
        test, valid = optional("ori-test"), optional("x-valid")
        groups = {"valid": valid, "test": test}
    else:
        test, valid, both = optional("x-test"), optional("x-valid"), optional("ori-test")
        groups = {"valid": valid, "test": test, "valtest": both}
    if comment is not None:
        info["comment"] = comment
    for name, found in groups.items():
        info |= _group(name, found, total, timeless)
    return info


def _group(name: str, found: dict[str, Any] | None, total: float, timeless: bool) -> dict[str, Any]:
    if found is None:
        return {}
    seconds = found["all_time"]
    return {
        f"{name}-loss": found["loss"],
        f"{name}-accuracy": found["accuracy"],
        f"{name}-per-time": None if seconds is None and timeless else seconds / total,
        f"{name}-all-time": seconds,
    }


def is_build(path: str) -> bool:
    """Whether a folder is a build of nasbase."""
    return Path(path, "manifest.json").is_file()


def _is_tar(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(262)[257:] == b"ustar"


# ---------------------------------------------------------------------------------------------
# text


def metric_text(found: dict[str, Any]) -> str:
    """Loss and accuracy as `query_info_str_by_arch` shows them."""
    return "loss = {:.3f} & top1 = {:.2f}%".format(found["loss"], found["accuracy"])


def information_lines(
    information: Any,
    extra_info: Any,
    sets: Mapping[str, Sequence[tuple[str, str]]],
    metric: Any = metric_text,
) -> list[str]:
    """The lines of `query_info_str_by_arch`.

    Parameters
    ----------
    information
        A record.
    sets
        Data set -> (label, set) of what is shown beside the training set; ``""``: all others.
    metric
        How loss and accuracy are written.
    """
    names = information.get_dataset_names()
    lines = [information.arch_str, f"datasets : {names}, extra-info : {extra_info}"]
    for dataset in names:
        costs = information.get_compute_costs(dataset)
        latency = costs["latency"]
        shown = f"{latency * 1000:.2f}" if latency is not None and latency > 0 else None
        lines.append(
            f"{dataset:14s} FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, "
            f"latency={shown} ms."
        )
        asked = [("train", "train"), *sets.get(dataset, sets[""])]
        found = [(label, information.get_metrics(dataset, name)) for label, name in asked]
        groups = ", ".join(f"{label} : [{metric(values)}]" for label, values in found)
        lines.append(f"{dataset:14s} {groups}")
    return lines
