"""The drop-in for nats_bench beside nats_bench itself, in one run on the same records.

    python bench/compat_nats.py
    python bench/compat_nats.py --architectures 1000 --questions 2000 --out table.md

Both packages are asked the same questions about made-up releases of both spaces: nats_bench reads
the released directory, the drop-in a build of it. Answers are compared before anything is timed,
types included. `warm` is nats_bench with every architecture in memory; the drop-in has been asked
each question once before, in memory that is bounded. `cold` is the first question about an
architecture in a process.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import builds
import nats_bench
from report import Line, machine, markdown, text
from timing import Question, here, medians

from nasbase.compat import nats_bench as drop_in

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
HPS = {"tss": ("200", "12"), "sss": ("90", "12", "01")}

MEMORY = """
import random, sys
from nasbase.compat import nats_bench
api = nats_bench.create(sys.argv[1], sys.argv[2], fast_mode=True, verbose=False)
rng, hps = random.Random(3), sys.argv[4].split(",")
indexes = api.arch2infos_dict.main.indexes()
for _ in range(int(sys.argv[3])):
    index, hp = rng.choice(indexes), rng.choice(hps)
    dataset = rng.choice(("cifar10", "cifar100", "ImageNet16-120"))
    name = rng.choice(("get_more_info", "get_cost_info", "simulate_train_eval", "query_by_index"))
    getattr(api, name)(index, dataset, hp=hp)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, keep it; the result is the exit status."""
    given = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", module="nats_bench")
    lines: list[Line] = []
    for space in ("tss", "sss"):
        folder = given.cache.absolute() / f"{space}-{given.architectures}"
        options = [f"--architectures={given.architectures}", "--form=dir"]
        builds.sample_build(f"nats_{space}", builds.SAMPLE, folder, options)
        released = folder / "samples" / f"NATS-{space}-sample-simple"
        built = folder / "results" / f"nats_{space}" / builds.SAMPLE
        lines += beside(space, released, built, given.questions)
    print(text(lines))
    if given.out:
        facts = [machine(), f"{given.architectures} made-up architectures of each space"]
        given.out.write_text(markdown(lines, facts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Speed of the drop-in for nats_bench.")
    parser.add_argument("--architectures", type=int, default=300, help="of each sample")
    parser.add_argument("--questions", type=int, default=600, help="per measured call")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"), help="folder of samples")
    parser.add_argument("--out", type=Path, help="Markdown file to write, too")
    return parser


def beside(space: str, released: Path, built: Path, number: int) -> Iterator[Line]:
    """Every line of one space."""
    theirs = nats_bench.create(str(released), space, True, False)
    ours = drop_in.create(str(built), space, True, False)
    indexes = ours.arch2infos_dict.main.indexes()
    yield from cold(space, ours, theirs, indexes)
    for index in indexes:
        theirs._prepare_info(index)
        ours._prepare_info(index)
    rng = random.Random(1)
    questions = [(rng.choice(indexes), rng.choice(DATASETS)) for _ in range(number)]
    for hp in HPS[space]:
        agree(ours, theirs, questions[:100], hp)
        yield from warm(space, ours, theirs, questions, hp)
        yield from best(space, ours, theirs, hp)
    yield memory(space, built, number * 15)


def cold(space: str, ours: Any, theirs: Any, indexes: Sequence[int]) -> Iterator[Line]:
    """First questions about an architecture, other architectures for each kind of question."""
    kinds = ("get_more_info", "get_cost_info", "query_by_index")
    part = len(indexes) // len(kinds)
    for i, name in enumerate(kinds):
        asked = [(index,) for index in indexes[i * part : (i + 1) * part]]
        took = medians(
            {
                "ours": here(lambda index, name=name: first(ours, name, index, space)),
                "theirs": here(lambda index, name=name: first(theirs, name, index, space)),
            },
            asked,
        )
        yield Line(f"{space}, first question: {name}", took["ours"], "cold", took["theirs"], 50)


def first(api: Any, name: str, index: int, space: str) -> Any:
    """The first question about an architecture."""
    return getattr(api, name)(index, "cifar100", hp=HPS[space][0])


def calls(hp: str) -> dict[str, Callable[[Any, int, str], Any]]:
    """The questions by name."""
    return {
        "get_more_info": lambda api, index, dataset: api.get_more_info(index, dataset, hp=hp),
        "get_more_info, mean": lambda api, index, dataset: api.get_more_info(
            index, dataset, hp=hp, is_random=False
        ),
        "get_cost_info": lambda api, index, dataset: api.get_cost_info(index, dataset, hp),
        "get_latency": lambda api, index, dataset: api.get_latency(index, dataset, hp),
        "simulate_train_eval": lambda api, index, dataset: api.simulate_train_eval(
            index, dataset, hp=hp
        ),
        "query_by_index": lambda api, index, dataset: api.query_by_index(index, dataset, hp),
    }


def warm(
    space: str, ours: Any, theirs: Any, questions: Sequence[Question], hp: str
) -> Iterator[Line]:
    """Questions that both have heard before."""
    for name, call in calls(hp).items():
        for question in questions:
            call(ours, *question)
        took = medians(
            {
                "ours": here(lambda *question, call=call: call(ours, *question)),
                "theirs": here(lambda *question, call=call: call(theirs, *question)),
            },
            questions,
        )
        at_least = 1
        if (space, hp) == ("tss", "200") and name != "query_by_index":
            at_least = 5 if "more_info" in name else 50
        title = f"{space}, {hp} epochs: {name}"
        yield Line(title, took["ours"], "warm", took["theirs"], at_least)


def best(space: str, ours: Any, theirs: Any, hp: str) -> Iterator[Line]:
    """`find_best` over all architectures of the sample, with and without a limit."""
    for what, limits in (("", {}), (", param_max", {"param_max": 0.5})):

        def ask(api: Any, limits: dict[str, float] = limits) -> Any:
            return api.find_best("cifar100", "valid", hp=hp, enforce_all=False, **limits)

        if ask(ours) != ask(theirs):
            raise SystemExit(f"the best differ: {space}, {hp} epochs{what}")
        took = medians({"ours": here(lambda: ask(ours)), "theirs": here(lambda: ask(theirs))},
                       [()] * 5)  # fmt: skip
        title = f"{space}, {hp} epochs: find_best{what}"
        yield Line(title, took["ours"], "warm", took["theirs"], 100)


def agree(ours: Any, theirs: Any, questions: Sequence[Question], hp: str) -> None:
    """End the run if two answers differ: then there is nothing to compare."""
    for number, (question, (name, call)) in enumerate(product(questions, calls(hp).items())):
        if name == "query_by_index":
            continue
        answers = []
        for api in (ours, theirs):
            api.reset_time()
            random.seed(number)
            answers.append(call(api, *question))
        if repr(answers[0]) != repr(answers[1]):
            raise SystemExit(f"the answers differ: {name}{question}: {answers}")


def memory(space: str, built: Path, number: int) -> Line:
    """Most memory of a process that asks at random."""
    command = [sys.executable, "-c", MEMORY, str(built), space, str(number), ",".join(HPS[space])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    held = float(done.stdout)
    return Line(f"{space}: memory after {number:,} questions", held, at_most=150e6, unit="B")


if __name__ == "__main__":
    sys.exit(main())
