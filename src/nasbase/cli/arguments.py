"""What the command's arguments mean."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def architecture(text: str) -> Any:
    """An architecture as written on a command line: an index, JSON, or the text itself."""
    if text.isdigit():
        return int(text)
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    return text


def number_or_text(text: str) -> Any:
    """The value of a filter: a number where it looks like one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def setting(text: str) -> tuple[str, Any]:
    """``name=value``, as filters and limits are written."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not written name=value")
    return name.replace("-", "_"), number_or_text(value)


def add_home(parser: argparse.ArgumentParser) -> None:
    """Where builds are, and how answers are printed."""
    parser.add_argument(
        "--home",
        type=Path,
        help="folder of builds (default: $NASBASE_HOME, ./results, the user's data folder)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="print CSV")
    parser.set_defaults(form="text")


def add_build(parser: argparse.ArgumentParser) -> None:
    """Which build is asked."""
    parser.add_argument("benchmark", help="nb101, nb201, nats_tss, nats_sss or nds")
    parser.add_argument("--release", help="release (default: the latest that is installed)")
    add_home(parser)


def add_training(parser: argparse.ArgumentParser, *, run: bool) -> None:
    """Which trainings are meant."""
    parser.add_argument("--dataset", help="data set in upstream's spelling, in any case")
    epochs = parser.add_mutually_exclusive_group()
    epochs.add_argument(
        "--epochs",
        "--num-epochs",
        dest="epochs",
        type=int,
        metavar="E",
        help="training schedule, in epochs",
    )
    epochs.add_argument("--hp", help="training schedule in upstream's spelling: 01, 12, 90, 200")
    if run:
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--run", dest="run_number", type=int, help="one run, counted from 0")
        one.add_argument("--seed", type=int, help="the run of this seed")
    parser.add_argument(
        "--where",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="filter, for example proposer=resnet (nds) or max_params=1000000 (best)",
    )


def training(given: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of a question that `add_training` has parsed."""
    asked = {
        "dataset": given.dataset,
        "num_epochs": given.epochs,
        "hp": given.hp,
        "run": getattr(given, "run_number", None),
        "seed": getattr(given, "seed", None),
        **dict(given.where),
    }
    return {name: value for name, value in asked.items() if value is not None}
