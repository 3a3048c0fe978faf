"""Finding an installed build and opening it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nasbase.benchmarks import canonical_name
from nasbase.environment import find_home
from nasbase.errors import ArtifactError
from nasbase.query.handle import Benchmark
from nasbase.query.vocabulary import nearest

KNOWN_SCHEMAS = (2,)
"""Layouts of tables that this version reads."""

_BUILD = "Build it: `snakemake --cores 8` (or `make demo` for made-up numbers); see README.md."


def open_benchmark(name: str, release: str | None, home: str | Path | None) -> Benchmark:
    """Open an installed benchmark; `nasbase.open` says how."""
    return open_folder(installed_folder(name, release, home))


def installed_folder(name: str, release: str | None, home: str | Path | None) -> Path:
    """Folder of an installed build; without a release, of the latest one."""
    name, home = canonical_name(name), find_home(home)
    installed = installed_in(home)
    if name not in installed:
        raise ArtifactError(
            f"{name} is not installed here.",
            where=home,
            expected=f"{name}/<release>/manifest.json, listed in catalog.json",
            found=_listed(home, installed),
            todo=f"{_BUILD} Builds elsewhere are found through home= or $NASBASE_HOME.",
        )
    releases = installed[name]["releases"]
    release = installed[name]["latest"] if release is None else str(release)
    if release not in releases:
        near = nearest(release, releases)
        raise ArtifactError(
            f"Release {release} of {name} is not installed here.",
            where=home,
            expected=", ".join(releases),
            found=release,
            todo=(f"Did you mean {near!r}? Otherwise build it" if near else "Build it")
            + f": snakemake --cores 8 --config 'benchmarks={name}' "
            f"'releases={{{name}: {release}}}'",
        )
    return home / releases[release]["folder"]


def latest_folder(name: str, home: str | Path | None = None) -> Path | None:
    """Folder of the latest installed build of a benchmark; None where none is installed."""
    home = find_home(home)
    found = installed_in(home).get(canonical_name(name))
    return home / found["releases"][found["latest"]]["folder"] if found else None


def open_folder(folder: str | Path, version: str | None = None) -> Benchmark:
    """Open the build in one folder; ``version`` refuses any other build in its place."""
    folder = Path(folder).absolute()
    manifest = read_manifest(folder)
    if version is not None and manifest["version"] != version:
        raise ArtifactError(
            "Another build has taken the place of the one that was open.",
            where=folder,
            expected=version,
            found=manifest["version"],
            todo="Open the benchmark again.",
        )
    if "sqlite" not in manifest["forms"]:
        raise ArtifactError(
            "The build has no SQLite database, which questions are answered from.",
            where=folder,
            expected=f"{manifest['benchmark']}.sqlite",
            found=", ".join(manifest["forms"]),
            todo="Build it with `outputs` that include sqlite.",
        )
    return Benchmark(folder, manifest)


def installed_in(home: Path) -> dict[str, Any]:
    """What the catalogue of a results folder lists."""
    try:
        return _read_json(home / "catalog.json", "benchmarks")["benchmarks"]
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _listed(home: Path, installed: dict[str, Any]) -> str:
    if not installed and any(home.glob("*/*/manifest.json")):
        return "builds, but no catalog.json that lists them"
    names = [
        f"{name} ({', '.join(benchmark['releases'])})" for name, benchmark in installed.items()
    ]
    return f"installed: {', '.join(names)}" if names else "nothing is installed"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an installed build, if this version knows its layout."""
    try:
        manifest = _read_json(folder / "manifest.json", "schema")
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(
            "The catalogue lists a build that is not there.",
            where=folder,
            expected="manifest.json",
            found="no such file",
            todo=_BUILD,
        ) from None
    if manifest.get("schema") not in KNOWN_SCHEMAS:
        raise ArtifactError(
            "This build has a layout that this version of nasbase does not know.",
            where=folder,
            expected=f"schema {', '.join(map(str, KNOWN_SCHEMAS))}",
            found=f"schema {manifest.get('schema')}, written by nasbase {manifest.get('nasbase')}",
            todo="Install the version of nasbase that wrote it, or build it again.",
        )
    absent = [key for key in _KEYS if key not in manifest]
    if absent:
        raise _damaged(folder / "manifest.json", ", ".join(_KEYS), f"no {', '.join(absent)}")
    return manifest


_KEYS = (
    "benchmark", "citation", "forms", "nasbase", "partial", "release", "synthetic", "tables",
    "version",
)  # fmt: skip
"""What a handle reads in the manifest, its schema aside."""


def _read_json(path: Path, key: str) -> dict[str, Any]:
    """A JSON object that has a key."""
    try:
        document = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (ValueError, OSError) as error:
        raise _damaged(path, "JSON", str(error)) from error
    if not isinstance(document, dict) or key not in document:
        raise _damaged(path, f"an object with {key!r}", repr(document)[:200])
    return document


def _damaged(path: Path, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "A file of an installed build is damaged.",
        where=path,
        expected=expected,
        found=found,
        todo=_BUILD,
    )
