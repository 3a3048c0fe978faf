"""`nasbase nni-install`: NNI's databases where NNI looks for them."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from nasbase.benchmarks import canonical_name
from nasbase.cli import output
from nasbase.cli.arguments import add_home
from nasbase.environment import find_home
from nasbase.errors import ArtifactError, DamagedError
from nasbase.query.opening import installed_folder, installed_in, read_manifest
from nasbase.staging import link_or_copy
from nasbase.store.nni import BUILD_TABLE, DATABASES, FOLDER, LEFT_OUT

OLD_FOLDER = Path(".nni", "nasbenchmark")
"""Where NNI up to 2.0 looks, below the home folder; it knows no digests in names."""

_NNI2 = "NNI 2.5 to 2.10 says nni.nas.benchmarks where these lines say nni.nas.benchmark."


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "nni-install",
        help="put NNI's databases of installed builds where NNI looks for them",
        description="Put NNI's databases of installed builds into $NASBENCHMARK_DIR, else NNI's "
        "own folder, and print for each the line that makes NNI 2.5 and later use it. NNI up to "
        "2.0 finds its plain names (nasbench101.db) without one. Nothing is copied where a hard "
        "link can be made.",
        epilog="example: nasbase nni-install nb101 nb201",
    )
    parser.add_argument(
        "database",
        nargs="*",
        help=f"{', '.join(DATABASES)} (default: every installed build that has NNI's database)",
    )
    parser.add_argument("--release", help="release (default: the latest that is installed)")
    parser.add_argument(
        "--to", type=Path, help="folder (default: $NASBENCHMARK_DIR, else NNI's own)"
    )
    add_home(parser)
    parser.set_defaults(run=_install)


def _install(given: argparse.Namespace) -> None:
    from nasbase.compat.nni.constants import ENV_NASBENCHMARK_DIR, default_folder

    home = find_home(given.home)
    named = given.to or os.environ.get(ENV_NASBENCHMARK_DIR)
    folder = Path(named or default_folder()).absolute()
    plain_folder = folder if named else Path.home() / OLD_FOLDER
    rows = [
        _place(build, folder, plain_folder)
        for build in _builds(given.database, given.release, home)
    ]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    lines = [line for row in rows for line in _lines(row)]
    lines += ["", _NNI2]
    looks = os.environ.get(ENV_NASBENCHMARK_DIR) or default_folder()
    if Path(looks).absolute() != folder:
        lines.append(f"Set {ENV_NASBENCHMARK_DIR}={folder} before NNI is imported.")
    synthetic = any(row["synthetic"] for row in rows)
    output.show(given.form, str(folder), synthetic=synthetic, text="\n".join(lines), data=columns)


# ---------------------------------------------------------------------------------------------
# which


def _builds(names: list[str], release: str | None, home: Path) -> Iterator[Path]:
    """Folders of the builds that are asked for; without names, of all that have NNI's database."""
    if names:
        for name in map(canonical_name, names):
            yield _having_nni(name, installed_folder(name, release, home))
        return
    listed = installed_in(home)
    there = {name: listed[name]["releases"] for name in DATABASES if name in listed}
    installed = [name for name in there if release is None or release in there[name]]
    folders = [installed_folder(name, release, home) for name in installed]
    found = [folder for folder in folders if "nni" in read_manifest(folder)["forms"]]
    if not found:
        raise ArtifactError(
            "No installed build has NNI's database.",
            where=home,
            expected=f"a build of {', '.join(DATABASES)} with outputs that include nni",
            found=", ".join(installed) or "none of them",
            todo="Build one: `snakemake --cores 8 --config benchmarks=nb101`; `nasbase list` "
            "shows what is installed.",
        )
    yield from found


def _having_nni(name: str, folder: Path) -> Path:
    forms = read_manifest(folder)["forms"]
    if "nni" not in forms:
        known = name in DATABASES
        raise ArtifactError(
            f"The build has no database of NNI's{'' if known else ': NNI does not know it'}.",
            where=folder,
            expected=f"{DATABASES[name]}-<digest>.db" if known else ", ".join(DATABASES),
            found=", ".join(forms),
            todo="Build it with `outputs` that include nni."
            if known
            else "NNI has NAS-Bench-201 (nb201), whose cells are those of nats_tss.",
        )
    return folder


# ---------------------------------------------------------------------------------------------
# placing


def _place(build: Path, folder: Path, plain_folder: Path) -> dict[str, Any]:
    """Put the database of one build into place; what there is to say about it."""
    manifest = read_manifest(build)
    name = DATABASES[manifest["benchmark"]]
    ((file, facts),) = (
        (file, facts) for file, facts in manifest["files"].items() if file.startswith(f"{FOLDER}/")
    )
    source, digest = build / file, facts["sha256"]
    _verify(source, digest)
    target, plain = folder / source.name, plain_folder / f"{name}.db"
    state = _put(source, target, digest)
    foreign = plain.is_file() and not _described(plain)
    if not foreign:
        _put(source, plain, digest, copy=True)  # NNI 2.0 opens it for writing
    known = re.compile(rf"{name}-[0-9a-f]{{8}}\.db")
    others = [p.name for p in folder.iterdir() if known.fullmatch(p.name) and p != target]
    setting = f'utils.DB_URLS["{name}"] = "{source.name}"'
    return {
        "build": f"{manifest['benchmark']} {manifest['version']}",
        "synthetic": manifest["synthetic"],
        "file": str(target),
        "state": state,
        "left_out": int(_described(target)[LEFT_OUT]),
        "trials": manifest["tables"]["trials"]["rows"],
        "line": f"from nni.nas.benchmark import utils; {setting}",
        "line_nni2": f"from nni.nas.benchmarks import utils; {setting}",
        "plain": str(plain),
        "plain_is_foreign": foreign,
        "others": sorted(others),
    }


def _put(source: Path, target: Path, digest: str, *, copy: bool = False) -> str:
    """Link or copy a verified file; a whole file appears, or nothing changes.

    ``copy`` forbids a link: what NNI's own converters would write to must not be the build's file.
    """
    try:
        shared = target.is_file() and target.samefile(source)
        if target.is_file() and _sha256(target) == digest and not (copy and shared):
            return "was there"
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            temporary = Path(scratch) / target.name
            (shutil.copyfile if copy else link_or_copy)(source, temporary)
            _verify(temporary, digest)
            temporary.replace(target)
    except OSError as error:
        raise ArtifactError(
            "NNI's database cannot be placed.",
            where=target,
            expected="a folder that can be written to, with room for the file",
            found=str(error),
            todo="Name another folder with --to, or set NASBENCHMARK_DIR.",
        ) from error
    return "placed"


def _verify(path: Path, digest: str) -> None:
    found = _sha256(path) if path.is_file() else "no such file"
    if found != digest:
        raise DamagedError(
            "NNI's database is not the one that was validated.",
            where=path,
            expected=f"the SHA-256 {digest}",
            found=found,
            todo="Delete the folder of the build and run snakemake: it installs it again.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _described(path: Path) -> dict[str, str]:
    """What a database says of the build it belongs to; nothing if nasbase did not write it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return dict(database.execute(f'SELECT "key", "value" FROM "{BUILD_TABLE}"'))  # noqa: S608
    except sqlite3.DatabaseError:  # no database, or one without our table
        return {}


# ---------------------------------------------------------------------------------------------
# saying


def _lines(row: dict[str, Any]) -> Iterator[str]:
    mark = ", SYNTHETIC: made-up numbers" if row["synthetic"] else ""
    yield f"{row['build']}{mark}: {row['file']} ({row['state']})"
    if row["left_out"]:
        yield (
            f"  {row['left_out']:,} of {row['trials']:,} trainings are not in it: NNI's tables "
            "require what was not released of them"
        )
    yield "  NNI 2.5 and later, before the first query:"
    yield f"    {row['line']}"
    if row["plain_is_foreign"]:
        yield f"  {row['plain']} is not of nasbase and was left alone; NNI up to 2.0 reads that"
    else:
        yield f"  NNI up to 2.0: {row['plain']}, nothing to be done"
    if row["others"]:
        yield f"  other databases in the folder, left alone: {', '.join(row['others'])}"
