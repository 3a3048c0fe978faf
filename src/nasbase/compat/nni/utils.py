"""Finding and opening NNI's databases (``nni.nas.benchmark.utils``).

NNI reads and hashes a whole file before its first question. Here a database of a build must say
that it belongs to that build, and any other must have NNI's tables; no file is read through
(``nasbase verify`` does that).
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from peewee import DatabaseError, Proxy, SqliteDatabase

from nasbase.compat.nni.constants import (
    DATABASE_DIR,
    DB_URLS,
    ENV_NASBENCHMARK_DIR,
    default_folder,
)
from nasbase.compat.nni.notices import warn_once
from nasbase.environment import find_home
from nasbase.errors import ArtifactError
from nasbase.query.opening import installed_in
from nasbase.store.nni import BUILD_TABLE, DATABASES, FOLDER
from nasbase.store.nni.schema import TABLES

__all__ = ["DATABASE_DIR", "DB_URLS", "download_benchmark", "json_dumps", "load_benchmark"]

json_dumps = functools.partial(json.dumps, sort_keys=True)

CACHE_KB = 16_000
"""Pages that a connection keeps in memory."""

_BENCHMARKS = {database: benchmark for benchmark, database in DATABASES.items()}

_loaded_benchmarks: dict[str, SqliteDatabase] = {}


def load_benchmark(benchmark: str) -> SqliteDatabase:
    """Database of a benchmark, opened read-only once per process.

    Parameters
    ----------
    benchmark
        ``nasbench101``, ``nasbench201`` or ``nds``.

    Raises
    ------
    KeyError
        If there is no such benchmark.
    FileNotFoundError
        If its database is nowhere; the message says where it was looked for, and how to build it.
    ArtifactError
        If the file that was found is not NNI's database of the benchmark.
    """
    if benchmark not in _loaded_benchmarks:
        _loaded_benchmarks[benchmark] = _open(benchmark, *_find(benchmark))
    return _loaded_benchmarks[benchmark]


def download_benchmark(benchmark: str, progress: bool = True) -> None:  # noqa: ARG001
    """Make sure that a database is there; NNI's downloads no longer are.

    Raises
    ------
    KeyError, FileNotFoundError
        As `load_benchmark`.
    """
    _find(benchmark)


def bound(proxy: Proxy, benchmark: str) -> SqliteDatabase:
    """The database behind a benchmark's models; the first question binds it."""
    if proxy.obj is None:
        proxy.initialize(load_benchmark(benchmark))
    return proxy.obj


# ---------------------------------------------------------------------------------------------
# finding


def _find(benchmark: str) -> tuple[Path, str | None]:
    """File of a database, and the version of the build that it belongs to, if any."""
    preferred = os.path.basename(DB_URLS[benchmark])  # noqa: PTH119 - an address or a path
    looked = []
    for folder, version in _folders(benchmark):
        if (found := _in_folder(folder, benchmark, preferred)) is not None:
            return found, version
        looked.append(str(folder))
    raise FileNotFoundError(
        f"NNI's database {benchmark} is in none of {', '.join(looked)}. Build it: "
        f"snakemake --cores 8 --config benchmarks={_BENCHMARKS[benchmark]} (its outputs must "
        "include nni); builds elsewhere are found through $NASBASE_HOME, other databases through "
        f"${ENV_NASBENCHMARK_DIR}."
    )


def _folders(benchmark: str) -> Iterator[tuple[Path, str | None]]:
    """Folders to look in: the one that the user names, builds (the latest first), NNI's own."""
    if named := os.getenv(ENV_NASBENCHMARK_DIR):
        yield Path(named), None
    home = find_home()
    listed = installed_in(home).get(_BENCHMARKS[benchmark])
    if listed:
        builds = [listed["releases"].pop(listed["latest"]), *listed["releases"].values()]
        for build in builds:
            yield home / build["folder"] / FOLDER, build["version"]
    yield Path(default_folder()), None


def _in_folder(folder: Path, benchmark: str, preferred: str) -> Path | None:
    """The preferred file, else the newest whose name carries a digest, else the plain one."""
    if (folder / preferred).is_file():
        return folder / preferred
    pinned = [
        path
        for path in folder.glob(f"{benchmark}-*.db")
        if re.fullmatch(rf"{benchmark}-[0-9a-f]{{8}}\.db", path.name)
    ]
    if pinned:
        return max(pinned, key=lambda path: (path.stat().st_mtime_ns, path.name))
    plain = folder / f"{benchmark}.db"
    return plain if plain.is_file() else None


# ---------------------------------------------------------------------------------------------
# opening


def _open(benchmark: str, path: Path, version: str | None) -> SqliteDatabase:
    # Never written, not even locked: the file may be a build's own, or lie on a network drive.
    database = SqliteDatabase(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1",
        pragmas={"cache_size": -CACHE_KB},
        uri=True,
        autoconnect=True,
    )
    try:
        tables = {*database.get_tables()}
        described = f'SELECT "key", "value" FROM "{BUILD_TABLE}"'  # noqa: S608
        said = dict(database.execute_sql(described)) if BUILD_TABLE in tables else {}
    except DatabaseError as error:
        raise _refused(path, "a SQLite database", str(error)) from error
    wanted = {table.name for table in TABLES[_BENCHMARKS[benchmark]]}
    if not wanted <= tables:
        raise _refused(path, f"the tables {', '.join(sorted(wanted))}", ", ".join(sorted(tables)))
    if version is not None and said.get("version") != version:
        raise _refused(path, f"the database of {version}", f"that of {said.get('version')}")
    if said.get("synthetic") == "true":
        warn_once(f"{benchmark}.synthetic", f"The numbers in {path} are made up (synthetic).")
    return database


def _refused(path: Path, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "This is not NNI's database of the benchmark.",
        where=path,
        expected=expected,
        found=found,
        todo="Build it again: `snakemake --cores 8`; `nasbase verify` compares every file of a "
        "build with its manifest.",
    )
