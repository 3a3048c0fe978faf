"""The configuration of a build: what the user asked for, resolved against the sources table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nasbase.benchmarks import canonical_name, room_of
from nasbase.benchmarks.room import choose_counterpart
from nasbase.errors import ConfigError
from nasbase.sources.schema import validate
from nasbase.sources.table import Release, SourcesTable
from nasbase.store.nni import DATABASES

FORMS = ("parquet", "sqlite", "hdf5", "nni")
"""Forms that can be asked for, in the order in which they are built."""


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """A checked configuration.

    Attributes
    ----------
    table
        The sources table.
    releases
        The releases to build, in the order of the table.
    partial
        Accept releases with fewer records than their space.
    shards
        Pieces that a release is cut into, at most.
    outputs
        Forms to build.
    reread
        How many architectures validation reads again: ``sample`` or ``all``.
    report
        Whether to make the report.
    dropin
        Folder searched by file name before any download, or None.
    """

    table: SourcesTable
    releases: tuple[Release, ...]
    partial: bool
    shards: int
    outputs: tuple[str, ...]
    reread: str
    report: bool
    dropin: Path | None

    def is_partial(self, release: Release) -> bool:
        """Whether a release may hold fewer records than its space."""
        return self.partial or release.partial

    def counterpart_of(self, release: Release) -> Release | None:
        """The release of this build that a release is compared with, if there is one."""
        name = room_of(release.benchmark).counterpart
        return choose_counterpart(release, (r for r in self.releases if r.benchmark == name))

    def shards_of(self, benchmark: str) -> int:
        """Number of shards of a benchmark: one where its release is a single stream."""
        most = room_of(benchmark).max_shards
        return self.shards if most is None else min(self.shards, most)

    def forms_of(self, benchmark: str) -> tuple[str, ...]:
        """Forms of a benchmark: nb101's three points need no tensors, NNI has no NATS-Bench."""
        absent = {*(["hdf5"] if benchmark == "nb101" else [])}
        absent |= {*([] if benchmark in DATABASES else ["nni"])}
        return tuple(form for form in self.outputs if form not in absent)


def read_config(config: Mapping[str, Any], schema: Path, root: Path) -> BuildConfig:
    """Check a configuration and resolve it.

    Parameters
    ----------
    config
        Merged from the config files and ``--config``.
    schema
        JSON schema of the configuration.
    root
        Folder of the workflow: where ``sources`` is looked for when the working folder lacks it.

    Raises
    ------
    ConfigError
        For the first mistake: the key, what is allowed, the nearest match.
    """
    rules = yaml.safe_load(schema.read_text())
    given = _listed(config)
    for key, rule in rules["properties"].items():
        # Snakemake reads `--config key=true` as text; only True and False are truth values to it.
        if rule["type"] == "boolean" and isinstance(given.get(key), str):
            given[key] = {"true": True, "false": False}.get(given[key].lower(), given[key])
    validate(given, rules, Path("the configuration"))
    defaults = {key: rule.get("default") for key, rule in rules["properties"].items()}
    settings = {**defaults, **{key: value for key, value in given.items() if value is not None}}
    table = SourcesTable.load(_find(settings["sources"], root))
    dropin = Path(settings["dropin"]) if settings["dropin"] else None
    if dropin is not None and not dropin.is_dir():
        raise ConfigError(
            "The drop-in folder does not exist.",
            where="the configuration, at dropin",
            expected="a folder that holds upstream files under their own names",
            found=str(dropin),
        )
    return BuildConfig(
        table=table,
        releases=_releases(table, settings["benchmarks"], settings["releases"]),
        partial=settings["partial"],
        shards=settings["shards"],
        outputs=tuple(f for f in FORMS if f == "parquet" or f in settings["outputs"]),
        reread=settings["reread"],
        report=settings["report"],
        dropin=dropin,
    )


def _listed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with comma strings as lists, and release numbers as text."""
    given = dict(config)
    for key in ("benchmarks", "outputs"):
        if isinstance(given.get(key), str):
            given[key] = [part.strip() for part in given[key].split(",") if part.strip()]
    if isinstance(given.get("releases"), Mapping):
        given["releases"] = {
            str(name): [str(r) for r in (chosen if isinstance(chosen, list) else [chosen])]
            for name, chosen in given["releases"].items()
        }
    return given


def _find(sources: str, root: Path) -> Path:
    path = Path(sources)
    return path if path.exists() or path.is_absolute() else root / path


def _releases(
    table: SourcesTable, benchmarks: Sequence[str] | None, chosen: Mapping[str, Sequence[str]]
) -> tuple[Release, ...]:
    names = [canonical_name(name) for name in benchmarks or table.benchmarks]
    wanted = {canonical_name(name): releases for name, releases in chosen.items()}
    found = []
    for name in table.benchmarks:
        if name in names:
            found += [table.release(name, release) for release in wanted.get(name, [None])]
    for name in names:
        table.releases(name)  # refuses a benchmark that the table does not have
    return tuple(found)
