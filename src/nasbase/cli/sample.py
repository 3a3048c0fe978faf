"""`nasbase sample`: made-up releases in upstream's exact formats."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasbase.benchmarks import NAMES, canonical_name, room_of
from nasbase.cli.arguments import positive
from nasbase.errors import ConfigError

SAMPLE_OPTIONS: dict[str, tuple[str, ...]] = {
    "nb101": ("schedules", "order"),
    "nb201": ("container", "version", "order"),
    "nats_tss": ("form",),
    "nats_sss": ("form",),
    "nds": (),
}
"""Options of `nasbase sample` that mean something for a benchmark."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    sample = commands.add_parser(
        "sample",
        help="write a made-up release in upstream's exact format",
        description="Write a made-up release in upstream's exact format, add it to OUT/sources.yaml"
        " and print its sources table. The numbers are synthetic and marked as such everywhere.",
        epilog="example: nasbase sample --benchmark nats_tss --architectures 50 --seed 1 samples "
        "&& snakemake --cores 2 --config sources=samples/sources.yaml",
    )
    sample.add_argument(
        "--benchmark", required=True, metavar="NAME", help=f"{', '.join(NAMES)}, or all"
    )
    sample.add_argument(
        "--architectures",
        type=positive,
        default=50,
        metavar="N",
        help="architectures (nds: trainings) to write (default: 50)",
    )
    sample.add_argument(
        "--seed", type=int, default=0, metavar="S", help="seed of the numbers (default: 0)"
    )
    sample.add_argument(
        "--release", default="sample", help="name of the release: sample or sample-<anything>"
    )
    sample.add_argument(
        "--form",
        choices=("tar", "dir", "pickle", "all"),
        help="NATS-Bench: form of the release (default: tar)",
    )
    sample.add_argument(
        "--container", choices=("legacy", "zip"), help="nb201: torch container (default: legacy)"
    )
    sample.add_argument(
        "--version-like",
        dest="version",
        choices=("1.0", "1.1"),
        help="nb201: release whose gaps are imitated (default: 1.1)",
    )
    sample.add_argument(
        "--order",
        choices=("sorted", "shuffled"),
        help="nb101, nb201: order of the records (default: sorted)",
    )
    sample.add_argument(
        "--schedules",
        type=_schedules,
        metavar="4,12,...",
        help="nb101: schedules (default: 4,12,36,108)",
    )
    sample.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    sample.set_defaults(run=_sample)


def _schedules(text: str) -> list[int]:
    return [positive(part) for part in text.split(",")]


def _sample(given: argparse.Namespace) -> None:
    import yaml

    names = NAMES if given.benchmark == "all" else (canonical_name(given.benchmark),)
    given.out.mkdir(parents=True, exist_ok=True)
    table = {}
    for name in names:
        options = _sample_options(given, name, strict=given.benchmark != "all")
        files = room_of(name).write_sample(
            given.out,
            architectures=given.architectures,
            seed=given.seed,
            options=options,
            progress=lambda line: print(line, file=sys.stderr),
        )
        table[name] = {given.release: _sample_row(name, given, files)}
    _merge_table(given.out / "sources.yaml", table)
    print(yaml.safe_dump(_absolute(table, given.out.resolve()), sort_keys=False), end="")


def _sample_options(given: argparse.Namespace, name: str, *, strict: bool) -> dict[str, Any]:
    wanted = {
        key: getattr(given, key)
        for key in ("form", "container", "version", "order", "schedules")
        if getattr(given, key) not in (None, "sorted")
    }
    useless = sorted(set(wanted) - set(SAMPLE_OPTIONS[name]))
    if useless and strict:
        raise ConfigError(
            f"{name} has no sample option --{useless[0]}.",
            expected=", ".join(f"--{key}" for key in SAMPLE_OPTIONS[name]) or "none",
            found=f"--{useless[0]}",
        )
    return {key: value for key, value in wanted.items() if key in SAMPLE_OPTIONS[name]}


def _sample_row(
    name: str, given: argparse.Namespace, files: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    size = room_of(name).space_size
    return {
        "status": "supported",
        "synthetic": True,
        "partial": size is not None and given.architectures < size,
        "code_licence": "MIT",
        "data_licence": "made-up numbers, no rights reserved",
        "citation": f"Made-up numbers in the format of {room_of(name).title}; nothing to cite.",
        "homepage": None,
        "files": [{**row, "urls": [f"file:{url}" for url in row["urls"]]} for row in files],
    }


def _merge_table(path: Path, table: Mapping[str, Mapping[str, Any]]) -> None:
    """Add releases to the folder's sources table, so that one folder can hold many samples."""
    import yaml

    from nasbase.sources.table import SourcesTable
    from nasbase.staging import staged_file

    known = yaml.safe_load(path.read_text()) if path.exists() else {}
    for name, releases in table.items():
        known.setdefault(name, {}).update(releases)
    with staged_file(path) as temporary:
        temporary.write_text(yaml.safe_dump(known, sort_keys=False))
    SourcesTable.load(path)


def _absolute(table: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """The table with absolute urls, so that what is printed can be kept anywhere."""
    copy = json.loads(json.dumps(table))
    for releases in copy.values():
        for release in releases.values():
            for file in release["files"]:
                file["urls"] = [(out / url.removeprefix("file:")).as_uri() for url in file["urls"]]
    return copy
