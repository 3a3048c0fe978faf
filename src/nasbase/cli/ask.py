"""The commands that ask installed builds: list, info, query, best, curve, export, cite."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nasbase
from nasbase.cli import output
from nasbase.cli.arguments import (
    add_build,
    add_home,
    add_training,
    architecture,
    positive,
    training,
)
from nasbase.environment import find_home
from nasbase.errors import ArtifactError, ConfigError
from nasbase.tables.catalogue import series

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_list(commands)
    _add_info(commands)
    _add_query(commands)
    _add_best(commands)
    _add_curve(commands)
    _add_export(commands)
    _add_cite(commands)


def _command(commands: Any, name: str, run: Any, *, about: str, example: str) -> Any:
    parser = commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=f"example: {example}",
    )
    parser.set_defaults(run=run)
    return parser


def _open(given: argparse.Namespace) -> Benchmark:
    return nasbase.open(given.benchmark, release=given.release, home=given.home)


def _show(given: argparse.Namespace, bench: Benchmark, answer: Any) -> None:
    output.show(
        given.form,
        bench.label,
        synthetic=bench.synthetic,
        text=repr(answer),
        data=answer.to_dict(),
    )


# ---------------------------------------------------------------------------------------------
# list


def _add_list(commands: Any) -> None:
    about = "list what is installed, and what each build holds"
    parser = _command(commands, "list", _list, about=about, example="nasbase list --json")
    add_home(parser)


def _list(given: argparse.Namespace) -> None:
    home = find_home(given.home)
    path = home / "catalog.json"
    if not path.is_file():
        raise ArtifactError(
            "Nothing is installed here.",
            where=home,
            expected="catalog.json",
            found="no such file",
            todo="Build something: `make demo` (made-up numbers) or `snakemake --cores 8`.",
        )
    catalog = json.loads(path.read_text())
    rows = [
        _held(name, release, home / entry["folder"], entry)
        for name, benchmark in catalog["benchmarks"].items()
        for release, entry in benchmark["releases"].items()
    ]
    columns = {key: [row[key] for row in rows] for key in (rows[0] if rows else {})}
    if given.form != "text":
        output.show(
            given.form,
            str(home),
            synthetic=any(row["synthetic"] for row in rows),
            text="",
            data=columns,
        )
        return
    sizes = ("architectures", "trials", "curve points", "MB")
    header = ("benchmark", "version", *sizes, "marks", "data sets (epochs)", "recorded")
    print(output.table([header, *map(_cells, rows)], "<<>>>><<<"))


_SPLITS = ("train", "valid", "test", "x_valid", "x_test", "ori_test")


def _held(name: str, release: str, folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """What one build holds: sizes, data sets with their schedules, and diagnostics."""
    bench = nasbase.open(name, release=release, home=folder.parent.parent)
    return {
        "benchmark": name,
        "release": release,
        "version": entry["version"],
        "synthetic": entry["synthetic"],
        "partial": entry["partial"],
        "architectures": entry["architectures"],
        "trials": entry["trials"],
        "curve_points": entry["curve_points"],
        "bytes": entry["bytes"],
        "trainings": {d: list(schedules) for d, schedules in bench.trainings.items()},
        "recorded": [column.name for column in series(name)],
        "forms": entry["forms"],
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    marks = [mark.upper() for mark in ("synthetic", "partial") if row[mark]]
    held = ", ".join(f"{d} ({'/'.join(map(str, e))})" for d, e in row["trainings"].items())
    return (
        row["benchmark"],
        row["version"],
        f"{row['architectures']:,}",
        f"{row['trials']:,}",
        f"{row['curve_points']:,}",
        f"{row['bytes'] / 1e6:.1f}",
        ", ".join(marks),
        held,
        _diagnostics(row["recorded"]),
    )


def _diagnostics(recorded: list[str]) -> str:
    """Names of series, those of several splits together: ``train, test: acc_pct, loss``."""
    by_split: dict[str, list[str]] = {}
    for name in recorded:
        split = next((s for s in _SPLITS if name.startswith(f"{s}_")), "")
        by_split.setdefault(split, []).append(name.removeprefix(f"{split}_"))
    together: dict[tuple[str, ...], list[str]] = {}
    for split, measures in by_split.items():
        together.setdefault(tuple(measures), []).append(split)
    groups = [
        (", ".join(splits) + ": " if any(splits) else "") + " ".join(measures)
        for measures, splits in together.items()
    ]
    return "; ".join(groups)


# ---------------------------------------------------------------------------------------------
# info, cite


def _add_info(commands: Any) -> None:
    about = "say what a build is made of: sources, tables, data sets, columns, notes"
    parser = _command(commands, "info", _info, about=about, example="nasbase info nats_tss")
    add_build(parser)
    parser.add_argument("--columns", metavar="TABLE", help="describe the columns of one table")


def _info(given: argparse.Namespace) -> None:
    bench = _open(given)
    if given.columns:
        _show(given, bench, bench.columns.of(given.columns))
        return
    m = bench.manifest
    facts = {
        "benchmark": f"{m['title']} ({bench.name})",
        "version": bench.version,
        "release": f"{m['release']} ({m['status']})",
        "marks": ", ".join(k for k in ("synthetic", "partial") if m[k]) or "none",
        "folder": str(bench.folder),
        "forms": ", ".join(m["forms"]),
        "architectures": len(bench),
        "data sets": "; ".join(
            f"{d} ({'/'.join(map(str, e))} epochs)" for d, e in bench.trainings.items()
        ),
        "seeds": ", ".join(map(str, bench.seeds)) or "not recorded",
        "tables": ", ".join(f"{name} {t['rows']:,}" for name, t in m["tables"].items()),
        "made from": "; ".join(f"{r['file']}, sha256 {r['sha256']}" for r in m["raw"]),
        "code licence": m["code_licence"],
        "data licence": m["data_licence"],
        "cite": m["citation"],
    }
    width = max(map(len, facts))
    text = "\n".join(f"{key:{width}}  {value}" for key, value in facts.items())
    output.show(given.form, bench.label, synthetic=bench.synthetic, text=text, data=facts)


def _add_cite(commands: Any) -> None:
    about = "say what to cite"
    parser = _command(commands, "cite", _cite, about=about, example="nasbase cite nds")
    add_build(parser)


def _cite(given: argparse.Namespace) -> None:
    bench = _open(given)
    text = bench.cite()
    data = {"citation": bench.manifest["citation"], "text": text}
    output.show(given.form, bench.label, synthetic=bench.synthetic, text=text, data=data)


# ---------------------------------------------------------------------------------------------
# query, best, curve


def _add_architecture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "architecture",
        type=architecture,
        help="index, string, hash, or an encoding as JSON (a dict, a list)",
    )
    parser.add_argument("--format", help="which encoding it is, where several look alike")


def _add_query(commands: Any) -> None:
    about = "show the trainings of one architecture, or one number of it"
    parser = _command(
        commands,
        "query",
        _query,
        about=about,
        example="nasbase query nats_tss 1234 test_acc --dataset cifar10 --epochs 200",
    )
    add_build(parser)
    _add_architecture(parser)
    parser.add_argument("what", nargs="?", help="role or column: one number (default: all trials)")
    parser.add_argument("--at-epoch", type=int, help="point on the schedule (default: its end)")
    parser.add_argument("--mean", action="store_true", help="means over runs, not single runs")
    add_training(parser, run=True)


def _query(given: argparse.Namespace) -> None:
    bench = _open(given)
    arch = bench.find(given.architecture, given.format)
    asked = training(given)
    if given.what:
        if given.at_epoch is not None:
            asked["at_epoch"] = given.at_epoch
        answer: Any = bench.value(arch, given.what, **asked)
    elif given.mean:
        answer = bench.means(arch, **asked)
    else:
        answer = bench.trials(arch, **asked)
    _show(given, bench, answer)


def _add_best(commands: Any) -> None:
    about = "rank architectures by one number and report another"
    parser = _command(
        commands,
        "best",
        _best,
        about=about,
        example="nasbase best nats_tss --dataset cifar10 --epochs 200 --where max_params=1000000",
    )
    add_build(parser)
    parser.add_argument(
        "--select", default="valid_acc", help="what to rank by (default: valid_acc)"
    )
    parser.add_argument("--report", default="test_acc", help="what to report (default: test_acc)")
    parser.add_argument("-k", type=positive, default=10, help="how many (default: 10)")
    parser.add_argument(
        "--rule",
        choices=("mean", "trial"),
        default="mean",
        help="mean over runs, or the best single run (default: mean)",
    )
    add_training(parser, run=False)


def _best(given: argparse.Namespace) -> None:
    bench = _open(given)
    answer = bench.best(
        select=given.select, report=given.report, k=given.k, rule=given.rule, **training(given)
    )
    _show(given, bench, answer)


def _add_curve(commands: Any) -> None:
    about = "show a learning curve"
    parser = _command(
        commands,
        "curve",
        _curve,
        about=about,
        example="nasbase curve nats_sss 1234 test_acc --dataset cifar100 --epochs 90 --csv",
    )
    add_build(parser)
    _add_architecture(parser)
    parser.add_argument("series", help="role or column, such as test_acc or train_loss")
    add_training(parser, run=True)


def _curve(given: argparse.Namespace) -> None:
    bench = _open(given)
    arch = bench.find(given.architecture, given.format)
    _show(given, bench, bench.curve(arch, series=given.series, **training(given)))


# ---------------------------------------------------------------------------------------------
# export


def _add_export(commands: Any) -> None:
    about = "write a table to a file: .csv, .parquet, .json or .jsonl"
    parser = _command(
        commands,
        "export",
        _export,
        about=about,
        example="nasbase export nb101 means means.csv --columns arch_id,test_acc_pct_mean",
    )
    add_build(parser)
    parser.add_argument("table", help="table of the build; `nasbase info` lists them")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--columns", help="comma-separated columns (default: all)")


def _export(given: argparse.Namespace) -> None:
    from nasbase.staging import staged_file

    writers = {".csv": _to_csv, ".parquet": _to_parquet, ".json": _to_json, ".jsonl": _to_jsonl}
    if given.out.suffix not in writers:
        raise ConfigError(
            "The ending of the file does not say what to write.",
            where=given.out,
            expected=", ".join(writers),
            found=repr(given.out.suffix),
        )
    bench = _open(given)
    columns = given.columns.split(",") if given.columns else None
    lazy = bench.table(given.table)
    with staged_file(given.out) as temporary:
        rows = writers[given.out.suffix](lazy, columns, temporary)
    written = {"file": str(given.out), "table": given.table, "rows": rows}
    text = f"{rows:,} rows of {given.table} ({bench.label}) are in {given.out}"
    output.show(given.form, bench.label, synthetic=bench.synthetic, text=text, data=written)


def _to_csv(lazy: Any, columns: list[str] | None, path: Path) -> int:
    from pyarrow import csv

    rows = lazy.to_arrow(columns)
    csv.write_csv(rows, path)
    return rows.num_rows


def _to_parquet(lazy: Any, columns: list[str] | None, path: Path) -> int:
    from pyarrow import parquet

    rows = lazy.to_arrow(columns)
    parquet.write_table(rows, path, compression="zstd")
    return rows.num_rows


def _to_json(lazy: Any, columns: list[str] | None, path: Path) -> int:
    frame = lazy.to_pandas(columns)
    frame.to_json(path, orient="records", indent=1, double_precision=15)
    return len(frame)


def _to_jsonl(lazy: Any, columns: list[str] | None, path: Path) -> int:
    frame = lazy.to_pandas(columns)
    frame.to_json(path, orient="records", lines=True, double_precision=15)
    return len(frame)
