"""Installing a validated build, the manifest beside it, and the catalogue of what is installed."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nasbase import __version__
from nasbase.benchmarks import NAMES, room_of
from nasbase.errors import ArtifactError
from nasbase.staging import link_or_copy, staged_file, staged_folder
from nasbase.store.build import read_build
from nasbase.store.nni import FOLDER, pinned
from nasbase.tables.catalogue import SCHEMA_VERSION

MANIFEST = "manifest.json"
VALIDATION = "validation.json"

_TOOLS = ("h5py", "numpy", "peewee", "pyarrow")
"""Libraries whose version shows in the bytes of the artifacts."""


def install(
    target: Path,
    *,
    parquet: Path,
    forms: Mapping[str, Path],
    validation: Path,
    description: Mapping[str, Any],
) -> dict[str, Any]:
    """Put a validated build in the place of the installed one, in one rename.

    Parameters
    ----------
    target
        ``results/<benchmark>/<release>``.
    parquet
        Folder of the Parquet tables.
    forms
        The other forms: name -> file.
    validation
        Report of the validate step.
    description
        What the sources table says of the release: status, citation, homepage, licences.

    Returns
    -------
    dict
        The manifest.
    """
    report = json.loads(validation.read_text())
    build = read_build(parquet)
    if not report["passed"] or report["version"] != build.version:
        raise ArtifactError(
            "The validation report does not belong to this build.",
            where=validation,
            expected=f"a passed validation of {build.version}",
            found=f"passed: {report['passed']}, version {report['version']}",
            todo="Run `snakemake` again: the validate step makes the report anew.",
        )
    with staged_folder(target) as folder:
        for source in [*sorted(parquet.glob("*.parquet")), *forms.values(), validation]:
            link_or_copy(source, folder / source.name)
        if "nni" in forms:  # NNI 2.5 and later demand the digest in the name
            linked = folder / forms["nni"].name
            (folder / FOLDER).mkdir()
            linked.rename(folder / FOLDER / pinned(linked.stem, _sha256(linked)))
        manifest = _manifest(folder, forms, description)
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        (folder / MANIFEST).write_text(text)
    return manifest


def _manifest(
    folder: Path, forms: Mapping[str, Path], description: Mapping[str, Any]
) -> dict[str, Any]:
    build = read_build(folder)
    return {
        "nasbase": __version__,
        "benchmark": build.benchmark,
        "title": room_of(build.benchmark).title,
        "release": build.release,
        "version": build.version,
        "schema": build.schema,
        "synthetic": build.synthetic,
        "partial": build.partial,
        **description,
        "forms": ["parquet", *forms],
        "tables": {
            name: {"rows": content.rows, "digest": content.digest}
            for name, content in sorted(build.contents.items())
        },
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        "raw": pq.read_table(
            folder / "sources.parquet", columns=["file", "form", "bytes", "sha256"]
        ).to_pylist(),
        "tools": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _TOOLS},
        },
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------------
# catalogue of what is installed


def write_catalog(results: Path) -> dict[str, Any]:
    """Write ``catalog.json``: every build that is installed in ``results``."""
    catalog = {"schema": SCHEMA_VERSION, "benchmarks": _installed(results)}
    with staged_file(results / "catalog.json") as temporary:
        temporary.write_text(json.dumps(catalog, indent=1, sort_keys=True) + "\n")
    return catalog


def _installed(results: Path) -> dict[str, Any]:
    found = {}
    for name in NAMES:
        manifests = [
            json.loads(path.read_text()) for path in sorted(results.glob(f"{name}/*/{MANIFEST}"))
        ]
        if manifests:
            found[name] = {
                "title": room_of(name).title,
                "latest": _latest(manifests),
                "releases": {m["release"]: _entry(m) for m in manifests},
            }
    return found


def _latest(manifests: Sequence[Mapping[str, Any]]) -> str:
    """The release that readers get by default: never a synthetic one beside a real one."""
    order = {"latest": 0, "supported": 1, "deprecated": 2}
    return min(manifests, key=lambda m: (m["synthetic"], order[m["status"]], m["release"]))[
        "release"
    ]


def _entry(manifest: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("version", "schema", "synthetic", "partial", "status", "forms")
    folder = f"{manifest['benchmark']}/{manifest['release']}"
    rows = {name: table["rows"] for name, table in manifest["tables"].items()}
    return {
        **{key: manifest[key] for key in keys},
        "folder": folder,
        "architectures": rows["architectures"],
        "trials": rows["trials"],
        "curve_points": rows["curves"],
        "bytes": sum(file["bytes"] for file in manifest["files"].values()),
    }
