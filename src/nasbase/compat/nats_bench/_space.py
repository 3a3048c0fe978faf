"""How an interface to one search space of NATS-Bench is made."""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
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
from nasbase.compat.records.library import Library, is_build

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

    def __init__(
        self, file_path_or_dict: Any = None, fast_mode: bool = False, verbose: bool = True
    ) -> None:
        self.filename = None
        self._fast_mode = fast_mode
        self._archive_dir = None
        self._archives: dict[str, Library | None] = {}
        self.reset_time()
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
        self._number()
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
        super()._shelve(library)
        if not self._fast_mode:
            self.evaluated_indexes = set(self.arch2infos_dict)
            self._avaliable_hps = set(library.all_hps())

    def _take(self, content: dict[str, Any]) -> None:
        super()._take(content)
        self.evaluated_indexes = set(content["evaluated_indexes"])

    def _entry(self, states: dict[str, Any]) -> OrderedDict[str, Any]:
        self._avaliable_hps.update(states)
        make = ArchResults.create_from_state_dict
        return OrderedDict((hp, make(state)) for hp, state in states.items())

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

    def _comment(self, dataset: str, hp: Any) -> str | None:
        return COMMENT.format(TRAINED_ON[dataset], hp) if dataset in TRAINED_ON else None


def _is_tar(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(262)[257:] == b"ustar"
