"""The command `nasbase`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasbase import __version__
from nasbase.benchmarks import NAMES, canonical_name, room_of
from nasbase.environment import find_home
from nasbase.errors import ConfigError, NasbaseError

SAMPLE_OPTIONS: dict[str, tuple[str, ...]] = {
    "nb101": ("schedules", "order"),
    "nb201": ("container", "version", "order"),
    "nats_tss": ("form",),
    "nats_sss": ("form",),
    "nds": (),
}
"""Options of `nasbase sample` that mean something for a benchmark."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status (0 well, 1 an error, 2 wrong usage)."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except NasbaseError as error:
        print(f"nasbase: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nasbase",
        description="Tabular NAS benchmarks, rebuilt from the raw releases. "
        "`snakemake --cores 8` builds them; see README.md.",
    )
    parser.add_argument("--version", action="version", version=f"nasbase {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_sample(commands)
    listing = commands.add_parser(
        "list", help="what is installed", description="List the installed builds."
    )
    listing.add_argument(
        "--home", type=Path, help="results folder (default: $NASBASE_HOME, ./results)"
    )
    listing.add_argument("--json", action="store_true", help="print the catalogue as JSON")
    listing.set_defaults(run=_list)
    return parser


# ---------------------------------------------------------------------------------------------
# sample


def _add_sample(commands: Any) -> None:
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
        type=_positive,
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _schedules(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]


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


# ---------------------------------------------------------------------------------------------
# list


def _list(given: argparse.Namespace) -> None:
    home = find_home(given.home)
    path = home / "catalog.json"
    if not path.is_file():
        raise ConfigError(
            "Nothing is installed here.",
            where=home,
            expected="catalog.json",
            found="no such file",
            todo="Build something: `make demo` (made-up numbers) or `snakemake --cores 8`.",
        )
    catalog = json.loads(path.read_text())
    if given.json:
        print(json.dumps(catalog, indent=1))
        return
    header = ("benchmark", "version", "architectures", "trials", "curve points", "MB", "")
    rows = [header]
    for name, benchmark in catalog["benchmarks"].items():
        for release in benchmark["releases"].values():
            marks = [mark for mark in ("synthetic", "partial") if release[mark]]
            rows.append(
                (
                    name,
                    release["version"],
                    f"{release['architectures']:,}",
                    f"{release['trials']:,}",
                    f"{release['curve_points']:,}",
                    f"{release['bytes'] / 1e6:.1f}",
                    ", ".join(marks).upper(),
                )
            )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        aligned = zip(row, widths, ("<", "<", ">", ">", ">", ">", "<"), strict=True)
        cells = [f"{cell:{side}{width}}" for cell, width, side in aligned]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
