"""The installed build that answers for the file an existing program names."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from nasbase.environment import find_home
from nasbase.errors import ArtifactError
from nasbase.query.handle import Benchmark
from nasbase.query.opening import installed_in, open_benchmark, open_folder

RELEASES = {"nasbench_full.tfrecord": "full", "nasbench_only108.tfrecord": "only108"}
"""Upstream's files, and the release that is built from each."""


def open_release(dataset_file: str | PathLike[str] | None) -> Benchmark:
    """Open the build that upstream's argument stands for.

    Parameters
    ----------
    dataset_file
        None: the build that `nasbase.open` gives. A folder: the build in it. Else the path of a
        raw file: the installed build that was made from a file of that name and, where the path
        exists, of that size. The file itself is not read.

    Raises
    ------
    ArtifactError
        If there is no such build; the message gives the command that makes it.
    """
    if dataset_file is None:
        return open_benchmark("nb101", None, None)
    path = Path(dataset_file)
    if path.is_dir():
        return _of_nb101(open_folder(path))
    found = []
    for bench in _installed():
        for raw in bench.manifest["raw"]:
            if raw["file"] == path.name and _of_size(path, raw["bytes"]):
                return bench
            found.append(f"{raw['file']} ({raw['bytes']} bytes, release {bench.release})")
    raise ArtifactError(
        "No installed build of NAS-Bench-101 was made from this file.",
        where=path,
        expected=f"a build in {find_home()} whose manifest names {path.name}",
        found=f"builds of {', '.join(found)}" if found else "no build of nb101",
        todo=_command(path),
    )


def _of_nb101(bench: Benchmark) -> Benchmark:
    if bench.name != "nb101":
        raise ArtifactError(
            "This is a build of another benchmark.",
            where=bench.folder,
            expected="nb101",
            found=bench.name,
        )
    return bench


def _installed() -> Iterator[Benchmark]:
    """Builds of NAS-Bench-101, the one that the catalogue calls latest first."""
    home = find_home()
    listed = installed_in(home).get("nb101", {"releases": {}})
    releases = listed["releases"]
    for release in sorted(releases, key=lambda name: name != listed["latest"]):
        yield open_folder(home / releases[release]["folder"])


def _of_size(path: Path, expected: int) -> bool:
    return not path.is_file() or path.stat().st_size == expected


def _command(path: Path) -> str:
    """How to build a release from a file that is already there, or from upstream's."""
    command = "snakemake --cores 8 --config benchmarks=nb101"
    if path.is_file():
        command += f" dropin={path.absolute().parent}"
    if path.name in RELEASES:
        return f"Build it: {command} 'releases={{nb101: {RELEASES[path.name]}}}'"
    return (
        f"Rename it to upstream's name ({' or '.join(RELEASES)}) and build it: {command} "
        "'releases={nb101: full}' (or only108)."
    )
