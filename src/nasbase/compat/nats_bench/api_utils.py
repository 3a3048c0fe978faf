"""What the interfaces to NATS-Bench and NAS-Bench-201 share; the names of upstream's module."""

from __future__ import annotations

import abc
import bz2
import copy
import os
import pickle
import random
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nasbase.compat.records.answers import more_info
from nasbase.compat.records.library import Library, Records
from nasbase.compat.records.results import ArchResults, ResultsCount, mean

__all__ = [
    "PICKLE_EXT",
    "ArchResults",
    "NASBenchMetaAPI",
    "ResultsCount",
    "get_file_system",
    "get_torch_home",
    "mean",
    "nats_is_dir",
    "nats_is_file",
    "pickle_load",
    "pickle_save",
    "remap_dataset_set_names",
    "reset_file_system",
    "time_string",
]

PICKLE_EXT = "pickle.pbz2"

WHOLE_SCAN = 64
"""Architectures from which on `find_best` reads means of the whole space at once."""

_EPOCHS, _RUNS = (int, type(None)), (int, bool)
"""Types of what can be remembered; the type of a run tells False, which is no seed, from 0."""

_file_system = "default"


# ---------------------------------------------------------------------------------------------
# files


def time_string() -> str:
    """The time now (UTC) in square brackets."""
    return time.strftime("[%Y-%m-%d %X]", time.gmtime(time.time()))


def reset_file_system(lib: str = "default") -> None:
    """Choose how files are read: ``default``, or ``google`` (needs tensorflow)."""
    global _file_system  # noqa: PLW0603 - upstream's interface
    _file_system = lib


def get_file_system() -> str:
    """How files are read."""
    return _file_system


def get_torch_home() -> str:
    """Folder of upstream's files: ``$TORCH_HOME``, else ``~/.torch``."""
    if "TORCH_HOME" in os.environ:
        return os.environ["TORCH_HOME"]
    if "HOME" in os.environ:
        return os.path.join(os.environ["HOME"], ".torch")  # noqa: PTH118 - text, as upstream
    raise ValueError(
        "Did not find HOME in os.environ. Please at least setup the path of HOME or TORCH_HOME "
        "in the environment."
    )


def _unknown_file_system() -> ValueError:
    return ValueError(f"Unknown file system lib: {_file_system}")


def nats_is_dir(file_path: Any) -> bool:
    """Whether a path is a directory of the chosen file system."""
    if _file_system == "default":
        return os.path.isdir(file_path)  # noqa: PTH112 - Path("") is the current folder
    if _file_system == "google":
        import tensorflow as tf  # type: ignore[import-untyped]

        return tf.io.gfile.isdir(file_path)
    raise _unknown_file_system()


def nats_is_file(file_path: Any) -> bool:
    """Whether a path is a file of the chosen file system."""
    if _file_system == "default":
        return Path(file_path).is_file()
    if _file_system == "google":
        import tensorflow as tf

        return tf.io.gfile.exists(file_path) and not tf.io.gfile.isdir(file_path)
    raise _unknown_file_system()


def pickle_save(obj: Any, file_path: Any, ext: str = ".pbz2", protocol: int = 4) -> None:
    """Write an object as a compressed pickle to ``file_path`` followed by ``ext``."""
    if _file_system != "default":
        raise _unknown_file_system()
    with bz2.BZ2File(str(file_path) + ext, "wb") as file:
        pickle.dump(obj, file, protocol=protocol)


def pickle_load(file_path: Any, ext: str = ".pbz2") -> Any:
    """Read a compressed pickle; ``ext`` may be left out of its name.

    Raises
    ------
    RawDataError
        If the pickle holds something else than records do: plain values, numpy's scalars and
        ordered dictionaries. Upstream's function would run whatever it asks for.
    """
    from nasbase.compat.records.files import load_pickle, unpickled

    if _file_system == "default":
        return load_pickle(str(file_path), ext)
    if _file_system == "google":
        import tensorflow as tf

        with tf.io.gfile.GFile(file_path, mode="rb") as file:
            return unpickled(file.read(), file_path)
    raise _unknown_file_system()


# ---------------------------------------------------------------------------------------------
# names


def remap_dataset_set_names(
    dataset: str, metric_on_set: str, verbose: bool = False
) -> tuple[str, str]:
    """The data set and the set on which a role (``valid``, ``test``) is measured."""
    if verbose:
        print(
            f"Call internal function _remap_dataset_set_names with dataset={dataset} "
            f"and metric_on_set={metric_on_set}"
        )
    if dataset == "cifar10" and metric_on_set in ("valid", "test"):
        dataset, metric_on_set = {
            "valid": ("cifar10-valid", "x-valid"),
            "test": ("cifar10", "ori-test"),
        }[metric_on_set]
    elif dataset in ("cifar100", "ImageNet16-120") and metric_on_set in ("valid", "test"):
        metric_on_set = f"x-{metric_on_set}"
    if verbose:
        print(f"  return dataset={dataset} and metric_on_set={metric_on_set}")
    return dataset, metric_on_set


# ---------------------------------------------------------------------------------------------
# the interface


class NASBenchMetaAPI(abc.ABC):
    """The questions that every interface answers.

    Attributes
    ----------
    meta_archs
        Every architecture of the space, by index.
    archstr2index
        Index of every architecture.
    evaluated_indexes
        Indexes that have been loaded.
    arch2infos_dict
        Index -> schedule -> `ArchResults`, of what has been loaded.
    filename
        What the numbers come from.
    """

    meta_archs: list[str]
    archstr2index: dict[str, int]
    evaluated_indexes: Any
    arch2infos_dict: Records
    filename: str | None
    verbose: bool
    _fast_mode: bool
    _archive_dir: Any
    _avaliable_hps: set[str]
    _all_base_names: Sequence[str]
    _search_space_name: str
    _full_train_epochs: int
    _used_time: float

    _refusal: type[Exception] = ValueError  # what upstream raises for an index or a key
    _timeless = True  # whether None stands for the times of a record without times

    @abc.abstractmethod
    def __init__(
        self, file_path_or_dict: Any = None, fast_mode: bool = False, verbose: bool = True
    ) -> None:
        """Read what a path or a dictionary holds."""

    def _say(self, text: str, *values: Any) -> None:
        """Print what is called, if asked to; values are formatted only then."""
        if self.verbose:
            print(text.format(*values))

    def _log(self, text: str, *values: Any) -> None:
        """The same behind the time."""
        if self.verbose:
            print(time_string(), text.format(*values))

    # ------------------------------------------------------------------ what there is

    def __getitem__(self, index: int) -> str:
        return copy.copy(self.meta_archs[index])

    def arch(self, index: int) -> str:
        """Architecture at an index."""
        self._say("Call the arch function with index={:}", index)
        if not 0 <= index < len(self.meta_archs):
            raise self._refusal(f"invalid index : {index} vs. {len(self.meta_archs)}.")
        return self.meta_archs[index]

    def __len__(self) -> int:
        return len(self.meta_archs)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.evaluated_indexes)}/{len(self.meta_archs)} "
            f"architectures, fast_mode={self.fast_mode}, file={self.filename})"
        )

    @property
    def avaliable_hps(self) -> list[str]:
        """Schedules that have been loaded."""
        return list(self._avaliable_hps)

    @property
    def used_time(self) -> float:
        """Simulated seconds that `simulate_train_eval` has spent."""
        return self._used_time

    @property
    def search_space_name(self) -> str:
        """``topology`` or ``size``."""
        return self._search_space_name

    @property
    def fast_mode(self) -> bool:
        """Whether architectures are loaded as they are asked for."""
        return self._fast_mode

    @property
    def archive_dir(self) -> Any:
        """Where they are loaded from."""
        return self._archive_dir

    @property
    def full_train_epochs(self) -> int:
        """Length of the longest schedule."""
        return self._full_train_epochs

    def reset_archive_dir(self, archive_dir: Any) -> None:
        """Replace where architectures are loaded from."""
        self._archive_dir = archive_dir

    def reset_fast_mode(self, fast_mode: bool) -> None:
        """Replace whether architectures are loaded as they are asked for."""
        self._fast_mode = fast_mode

    def reset_time(self) -> None:
        """Start the simulated clock anew."""
        self._used_time = 0

    def random(self) -> int:
        """A random index."""
        return random.randint(0, len(self.meta_archs) - 1)

    def query_index_by_arch(self, arch: Any) -> int:
        """Index of an architecture: an index, its string, or an object with ``tostr()``.

        Returns
        -------
        int
            The index; -1 for what is none of these, or not in the space.

        Raises
        ------
        ValueError
            If an index is out of range.
        """
        self._log("Call query_index_by_arch with arch={:}", arch)
        if isinstance(arch, int):
            if 0 <= arch < len(self):
                return arch
            raise ValueError(f"Invalid architecture index {arch} vs [0, {len(self)}].")
        if isinstance(arch, str):
            return self.archstr2index.get(arch, -1)
        if hasattr(arch, "tostr"):
            return self.archstr2index.get(arch.tostr(), -1)
        return -1

    # ------------------------------------------------------------------ loading

    def _shelve(self, library: Library) -> None:
        """Take over what a library lists; in fast mode nothing counts as loaded yet."""
        self.meta_archs = list(library.meta_archs)
        self.arch2infos_dict = Records(library)
        if not self._fast_mode:
            for index in library.indexes():
                self.arch2infos_dict.shelve(index, library)

    def _take(self, content: dict[str, Any]) -> None:
        """Take over a dictionary with upstream's keys."""
        for key in ("meta_archs", "arch2infos", "evaluated_indexes"):
            if key not in content:
                raise self._refusal(f"Can not find key[{key}] in the dict")
        self.meta_archs = copy.deepcopy(content["meta_archs"])
        self.arch2infos_dict = Records()
        for index in sorted(content["arch2infos"]):
            self.arch2infos_dict[index] = self._entry(content["arch2infos"][index])

    @abc.abstractmethod
    def _entry(self, states: dict[str, Any]) -> OrderedDict[str, Any]:
        """The records of one architecture by schedule, from upstream's dictionaries of them."""

    def _number(self) -> None:
        """Note the index of every architecture."""
        self.archstr2index = {}
        for index, arch in enumerate(self.meta_archs):
            if arch in self.archstr2index:
                raise self._refusal(
                    f"This [{index}]-th arch {arch} already in the dict "
                    f"({self.archstr2index[arch]})."
                )
            self.archstr2index[arch] = index

    @abc.abstractmethod
    def _archive(self, root: Any) -> Library | None:
        """What a path holds, if it is an archive of records."""

    def reload(self, archive_root: Any = None, index: int | None = None) -> None:
        """Read the records of one architecture, or of all, from an archive.

        Parameters
        ----------
        archive_root
            An upstream directory, a tar of it, or a build of nasbase; None: the ``-full`` folder
            in ``$TORCH_HOME``, else `archive_dir`.
        index
            The architecture; None: all.
        """
        self._log("Call clear_params with archive_root={:} and index={:}", archive_root, index)
        if archive_root is None:
            folder = f"{self._all_base_names[-1]}-full"
            # Upstream needs $TORCH_HOME here, and only here; without it it fails.
            archive_root = os.path.join(get_torch_home(), folder)  # noqa: PTH118
            if not nats_is_dir(archive_root):
                warnings.warn(
                    "The input archive_root is None and the default archive_root path "
                    f"({archive_root}) does not exist, try to use self.archive_dir.",
                    stacklevel=2,
                )
                archive_root = self.archive_dir
        library = None if archive_root is None else self._archive(archive_root)
        if library is None:
            raise ValueError(f"Invalid archive_root : {archive_root}")
        for one in range(len(self)) if index is None else [index]:
            if not 0 <= one < len(self.meta_archs):
                raise ValueError(f"invalid index of {one}")
            hps = library.hps(one)
            if not hps:
                raise AssertionError(f"invalid data path : {archive_root}, {one:06d}.{PICKLE_EXT}")
            self.evaluated_indexes.add(one)
            self._avaliable_hps.update(hps)
            self.arch2infos_dict.shelve(one, library, hps)

    def _prepare_info(self, index: Any) -> None:
        """Load an architecture in fast mode."""
        if index in self.arch2infos_dict:
            if index not in self.evaluated_indexes:
                raise ValueError(
                    f"The index of {index} is not in self.evaluated_indexes, "
                    "there must be something wrong."
                )
            self._log(
                "Call _prepare_info with index={:} skip because it is in arch2infos_dict", index
            )
        elif self.fast_mode and self.archive_dir is not None:
            self.reload(self.archive_dir, index)
        elif not self.fast_mode:
            self._log(
                "Call _prepare_info with index={:} skip because it is notthe fast mode.", index
            )
        else:
            raise ValueError(
                f"Invalid status: fast_mode={self.fast_mode} and archive_dir={self.archive_dir}"
            )

    def _hp_missing(self, index: Any, hp: Any) -> ValueError:
        return ValueError(
            f"The {index}-th architecture only has hyper-parameters of "
            f"{self.arch2infos_dict.hps(index)} instead of {hp}."
        )

    def clear_params(self, index: int, hp: str | None = None) -> None:
        """Forget the weights of an architecture, of one schedule or of all."""
        self._log("Call clear_params with index={:} and hp={:}", index, hp)
        if index not in self.arch2infos_dict:
            warnings.warn(
                f"The {index}-th architecture is not in the benchmark data yet, "
                "no need to clear params.",
                stacklevel=2,
            )
        elif hp is not None and str(hp) not in self.arch2infos_dict.hps(index):
            raise self._hp_missing(index, hp)
        else:
            self.arch2infos_dict.clear_params(index, None if hp is None else str(hp))

    # ------------------------------------------------------------------ records

    def query_by_arch(self, arch: Any, hp: str) -> str | None:
        """The same as `query_info_str_by_arch`; NAS-Bench-201's name for it."""
        return self.query_info_str_by_arch(arch, hp)

    @abc.abstractmethod
    def query_info_str_by_arch(self, arch: Any, hp: str = "12") -> str | None:
        """A text about an architecture."""

    def _query_info_str_by_arch(
        self, arch: Any, hp: str = "12", print_information: Callable[..., list[str]] | None = None
    ) -> str | None:
        index = self.query_index_by_arch(arch)
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            self._not_evaluated(index)
            return None
        if hp not in self.arch2infos_dict.hps(index):
            raise self._hp_missing(index, hp)
        record = self.arch2infos_dict.record(index, hp)
        return "\n".join(print_information(record, f"arch-index={index}"))  # type: ignore[misc]

    def _not_evaluated(self, index: int) -> None:
        warnings.warn(
            f"Find this arch-index : {index}, but this arch is not evaluated.", stacklevel=4
        )

    def query_meta_info_by_index(self, arch_index: int, hp: str = "12") -> ArchResults:
        """A copy of the record of an architecture with one schedule."""
        return copy.deepcopy(self._meta_info(arch_index, hp))

    def _meta_info(self, arch_index: int, hp: Any, dataset: str | None = None) -> ArchResults:
        """The record itself, for looking at it, or at one data set of it."""
        self._say("Call query_meta_info_by_index with arch_index={:}, hp={:}", arch_index, hp)
        self._prepare_info(arch_index)
        if arch_index not in self.arch2infos_dict:
            raise ValueError(f"arch_index [{arch_index}] does not in arch2infos")
        try:
            return self.arch2infos_dict.record(arch_index, str(hp), dataset)
        except KeyError:
            raise self._hp_missing(arch_index, hp) from None

    def query_by_index(self, arch_index: int, dataname: str | None = None, hp: str = "12") -> Any:
        """A copy of the record of an architecture, or its trainings on a data set by seed."""
        self._log(
            "Call query_by_index with arch_index={:}, dataname={:}, hp={:}",
            arch_index, dataname, hp,
        )  # fmt: skip
        info = self.query_meta_info_by_index(arch_index, hp)
        if dataname is None:
            return info
        if dataname not in info.get_dataset_names():
            raise ValueError(f"invalid dataset-name : {dataname} vs. {info.get_dataset_names()}")
        return info.query(dataname)

    def get_net_param(self, index: int, dataset: str, seed: int | None, hp: str = "12") -> Any:
        """Trained weights: of one training, or of every seed; None in data without weights."""
        self._log(
            "Call the get_net_param function with index={:}, dataset={:}, seed={:}, hp={:}",
            index, dataset, seed, hp,
        )  # fmt: skip
        return copy.deepcopy(self._meta_info(index, hp).get_net_param(dataset, seed))

    def get_net_config(self, index: int, dataset: str) -> dict[str, Any]:
        """What is needed to make the network."""
        self._log("Call the get_net_config function with index={:}, dataset={:}.", index, dataset)
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            raise ValueError(f"The arch_index={index} is not in arch2infos_dict.")
        record = self.arch2infos_dict.record(index, self.arch2infos_dict.hps(index)[0])
        return next(iter(record.query(dataset).values())).get_config(None)

    def get_cost_info(self, index: int, dataset: str, hp: str = "12") -> dict[str, Any]:
        """Sizes in millions, latency and training and evaluation times in seconds."""
        self._log(
            "Call the get_cost_info function with index={:}, dataset={:}, and hp={:}.",
            index, dataset, hp,
        )  # fmt: skip
        self._prepare_info(index)
        return self._meta_info(index, hp, dataset).get_compute_costs(dataset)

    def get_latency(self, index: int, dataset: str, hp: str = "12") -> float:
        """Seconds per batch of 256 images."""
        self._log(
            "Call the get_latency function with index={:}, dataset={:}, and hp={:}.",
            index, dataset, hp,
        )  # fmt: skip
        return self.get_cost_info(index, dataset, hp)["latency"]

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
            record,
            dataset,
            iepoch,
            is_random,
            comment=self._comment(dataset, hp),
            timeless=self._timeless,
        )
        return info if question is None else records.answered(question, info)

    def _comment(self, dataset: str, hp: Any) -> str | None:  # noqa: ARG002
        """What an answer of `get_more_info` says of itself."""
        return None

    def simulate_train_eval(
        self,
        arch: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str = "12",
        account_time: bool = True,
    ) -> tuple[float, float, float, float]:
        """Train and validate an architecture on the simulated clock.

        Returns
        -------
        tuple
            Validation accuracy (percent), latency, seconds of this training, seconds of all.
        """
        index = self.query_index_by_arch(arch)
        names = ("cifar10", "cifar100", "ImageNet16-120")
        if dataset not in names:
            raise ValueError(f"Invalid dataset name : {dataset} vs {names}")
        trained_on = "cifar10-valid" if dataset == "cifar10" else dataset
        info = self.get_more_info(index, trained_on, iepoch=iepoch, hp=hp, is_random=True)
        if "valid-accuracy" in info:
            accuracy, cost = info["valid-accuracy"], info["train-all-time"] + info["valid-per-time"]
        else:  # not validated after this epoch: the time is that of another run after the last one
            accuracy = info["valtest-accuracy"]
            last = self.get_more_info(index, dataset, iepoch=None, hp=hp, is_random=True)
            cost = info["train-all-time"] + last["valid-per-time"]
        latency = self.get_latency(index, dataset, hp=hp)
        if account_time:
            self._used_time += cost
        return accuracy, latency, cost, self._used_time

    # ------------------------------------------------------------------ many architectures

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str = "12",
        enforce_all: bool | None = None,
    ) -> tuple[int, float | None]:
        """The architecture with the highest mean accuracy after the last epoch.

        Parameters
        ----------
        dataset, metric_on_set
            What is compared: a set, or a role (``valid``, ``test``).
        flop_max, param_max
            Largest size, in millions.
        hp
            The schedule.
        enforce_all
            Whether all architectures are loaded first; None: in fast mode.

        Returns
        -------
        tuple
            Index and accuracy; (-1, None) if there is none.
        """
        self._log(
            "Call find_best with dataset={:}, metric_on_set={:}, hp={:} "
            "| with #FLOPs < {:} and #Params < {:}",
            dataset, metric_on_set, hp, flop_max, param_max,
        )  # fmt: skip
        dataset, metric_on_set = remap_dataset_set_names(dataset, metric_on_set, self.verbose)
        if enforce_all is None:
            enforce_all = bool(self.fast_mode)
        if enforce_all and not self.fast_mode:
            raise AssertionError(
                "enforce_all can only be set when fast_mode=True; if you are using "
                "non-fast-mode, please set it as False"
            )
        indexes = list(range(len(self))) if enforce_all else sorted(self.evaluated_indexes)
        best, highest = self._best(indexes, (dataset, metric_on_set, hp), flop_max, param_max)
        if self.verbose and not indexes:
            print("The evaluated_indexes is empty, please fill it before call find_best.")
        elif self.verbose:
            print(
                f"  the best architecture : [{best}] {self.arch(best)} with accuracy={highest:.3f}%"
            )
        return best, highest

    def _best(
        self,
        indexes: Sequence[int],
        question: tuple[str, str, str],
        flop_max: float | None,
        param_max: float | None,
    ) -> tuple[int, float | None]:
        dataset, setname, hp = question
        records = self.arch2infos_dict
        limited = flop_max is not None or param_max is not None
        known: Mapping[int, float] = {}
        sizes: Mapping[int, Mapping[str, float]] = {}
        if len(indexes) >= WHOLE_SCAN:
            known = records.accuracies(hp, dataset, setname)
            if limited and known:
                sizes = records.sizes(hp, dataset)
        # With `verbose` upstream has a word for each one that is there already.
        ready = not self.verbose and self._loaded(indexes)
        best, highest = -1, None
        for index in indexes:
            if not ready:
                self._prepare_info(index)
            accuracy = None if index in records.apart else known.get(index)
            costs = None if accuracy is None else sizes.get(index)
            if accuracy is None or (limited and costs is None):
                record = records.record(index, hp, dataset)
                costs, accuracy = record.get_compute_costs(dataset), None
            if flop_max is not None and costs["flops"] > flop_max:  # type: ignore[index]
                continue
            if param_max is not None and costs["params"] > param_max:  # type: ignore[index]
                continue
            if accuracy is None:
                accuracy = record.get_metrics(dataset, setname)["accuracy"]
            if best == -1 or highest < accuracy:  # type: ignore[operator]
                best, highest = index, accuracy
        return best, highest

    def _loaded(self, indexes: Sequence[int]) -> bool:
        here = self.arch2infos_dict.__contains__
        return all(map(here, indexes)) and set(self.evaluated_indexes).issuperset(indexes)

    def statistics(self, dataset: str, hp: str | int) -> dict[int, int]:
        """How many architectures were trained how many times."""
        self._say("Call the statistics function with dataset={:} and hp={:}.", dataset, hp)
        datasets = ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"]
        if dataset not in datasets:
            raise ValueError(f"{dataset} not in {datasets}")
        counts: dict[int, int] = {}
        for index in self._counted():
            seeds = self.arch2infos_dict.record(index, str(hp)).dataset_seed
            runs = len(seeds.get(dataset, ()))
            counts[runs] = counts.get(runs, 0) + 1
        return counts

    def _counted(self) -> Sequence[int]:
        return list(self.evaluated_indexes)

    @abc.abstractmethod
    def show(self, index: int = -1) -> None:
        """Print what is known about one architecture, or about all."""

    def _show(
        self, index: int = -1, print_information: Callable[..., list[str]] | None = None
    ) -> None:
        if index < 0:
            print(self)
            evaluated = sorted(self.evaluated_indexes)
            for i, one in enumerate(evaluated):
                print(
                    f"\n{'-' * 10} The ({i:5d}/{len(evaluated):5d}) {one:06d}-th "
                    f"architecture! {'-' * 10}"
                )
                print(f"arch : {self.meta_archs[one]}")
                self._show_one(one, print_information)
        elif index >= len(self.meta_archs):
            print(f"This index ({index}) is out of range (0~{len(self.meta_archs)}).")
        else:
            if index not in self.evaluated_indexes:
                self._prepare_info(index)
            if index not in self.evaluated_indexes:
                print(f"The {index}-th architecture has not been evaluated or not saved.")
            else:
                self._show_one(index, print_information)

    def _show_one(self, index: int, print_information: Callable[..., list[str]] | None) -> None:
        for hp in self.arch2infos_dict.hps(index):
            record = self.arch2infos_dict.record(index, hp)
            strings = print_information(record)  # type: ignore[misc]
            print(f"{'>' * 40} {record.get_total_epoch():03d} epochs {'>' * 40}")
            print("\n".join(strings))
        print(f"{'<' * 40}------------{'<' * 40}")
