"""The commands of searches: one script's own, and the table of several.

    python examples/random_search.py --benchmark nats_tss --dataset cifar10 --runs 500
    python -m nasbase.search table examples/*.py --runs 500

A script is any Python file with a function ``search(clock, space, rng)`` and its ``NAME``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nasbase
from nasbase.errors import NasbaseError, QueryError
from nasbase.search.harness import Search, run_searches
from nasbase.search.protocol import PROTOCOLS, RUNS
from nasbase.search.study import RULES, Study
from nasbase.search.table import ResultsTable

FORMATS = ("text", "csv", "latex")


def run_example(search: Search, name: str, about: str | None) -> int:
    """Run one search as its script's command line says, and print its scores.

    Parameters
    ----------
    search
        The search function.
    name
        Name of the method.
    about
        The script's docstring.

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_options(parser, runs=10)
    parser.add_argument("--curve", type=Path, help="write the regret curve to this CSV file")
    parser.add_argument("--log", type=Path, help="write every evaluation to this CSV file")
    return _guarded(lambda given: _example(search, name, given), parser.parse_args())


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m nasbase.search``."""
    parser = argparse.ArgumentParser(
        prog="python -m nasbase.search", description="Simulated searches on an installed build."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    table = commands.add_parser(
        "table",
        help="run several methods and print their scores side by side",
        description="Run the search functions of some scripts under the published protocol and "
        "print their scores side by side.",
        epilog="example: python -m nasbase.search table examples/*.py --benchmark nats_tss "
        "--runs 500 --workers 8 --format latex",
    )
    table.add_argument(
        "scripts", nargs="+", type=Path, metavar="SCRIPT", help="files with searches"
    )
    _add_options(table, runs=RUNS)
    table.set_defaults(run=_table)
    given = parser.parse_args(arguments)
    return _guarded(given.run, given)


def load_search(script: Path) -> tuple[str, Search] | None:
    """Name and search function of a script; None if it has no function ``search``.

    Raises
    ------
    QueryError
        If there is no such file.
    """
    if not script.is_file():
        raise QueryError("There is no such script.", found=str(script))
    spec = importlib.util.spec_from_file_location(f"nasbase_search_{script.stem}", script)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a file of Python
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    search = getattr(module, "search", None)
    return None if search is None else (getattr(module, "NAME", script.stem), search)


def _add_options(parser: argparse.ArgumentParser, runs: int) -> None:
    add = parser.add_argument
    add("--benchmark", default="nats_tss", help="default: nats_tss")
    add("--release", help="default: the latest one installed")
    add("--home", type=Path, help="results folder (default: $NASBASE_HOME, ./results)")
    add("--dataset", action="append", help="may be given several times; default: those published")
    add("--runs", type=int, default=runs, help=f"default: {runs}; papers: {RUNS}")
    add("--seed", type=int, default=0, help="default: 0")
    add("--workers", type=int, default=1, help="processes; the result does not depend on it")
    add("--time-budget", type=float, metavar="S", help="default: as published")
    add("--num-epochs", type=int, help="schedule of the evaluations; default: as published")
    add("--full-epochs", type=int, help="schedule of the scores; default: as published")
    add("--rule", choices=tuple(RULES), help="how to read scores; default: as published")
    add(
        "--present-only",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="propose only architectures that are in the build; default: in a partial build",
    )
    add("--format", choices=FORMATS, default="text", help="default: text")


def _guarded(run: Any, given: argparse.Namespace) -> int:
    try:
        run(given)
    except NasbaseError as error:
        sys.stderr.write(f"nasbase: {error}\n")
        return 1
    return 0


def _example(search: Search, name: str, given: argparse.Namespace) -> None:
    studies = _studies([(name, search)], given)
    _print(studies, given)
    if given.curve is not None:
        _write_frames(given.curve, [(s, s.regret().to_pandas()) for s in studies])
    if given.log is not None:
        _write_frames(given.log, [(s, s.to_pandas()) for s in studies])


def _table(given: argparse.Namespace) -> None:
    loaded = [(script, load_search(script)) for script in given.scripts]
    searches = [found for _, found in loaded if found is not None]
    for script, found in loaded:
        if found is None:
            sys.stderr.write(f"{script}: no function `search`, passed over\n")
    if not searches:
        raise QueryError(
            "No script has a function `search`.", found=", ".join(map(str, given.scripts))
        )
    _print(_studies(searches, given), given)


def _studies(searches: Sequence[tuple[str, Search]], given: argparse.Namespace) -> list[Study]:
    bench = nasbase.open(given.benchmark, given.release, given.home)
    published = [name for name in PROTOCOLS.get(bench.name, {}) if name in bench.datasets]
    return [
        run_searches(
            bench,
            dataset,
            search,
            name=name,
            runs=given.runs,
            seed=given.seed,
            time_budget_s=given.time_budget,
            num_epochs=given.num_epochs,
            full_epochs=given.full_epochs,
            present_only=given.present_only,
            workers=given.workers,
        )
        for name, search in searches
        for dataset in given.dataset or published or bench.datasets
    ]


def _print(studies: Sequence[Study], given: argparse.Namespace) -> None:
    table = ResultsTable(studies, given.rule)
    sys.stdout.write(getattr(table, given.format)())


def _write_frames(path: Path, frames: Sequence[tuple[Study, Any]]) -> None:
    import pandas as pd

    for study, frame in frames:
        frame.insert(0, "dataset", study.dataset)
    pd.concat([frame for _, frame in frames]).to_csv(path, index=False)
