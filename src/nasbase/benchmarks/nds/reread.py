"""NDS read a second time: the standard library's zip and JSON, job by job."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nasbase.benchmarks.reread import Place, Reread

_LISTS = {"train_err_pct": "train_ep_top1", "test_err_pct": "test_ep_top1",
          "train_loss": "train_ep_loss"}  # fmt: skip
_SAMPLES = {"train_loss": "train_it_loss", "train_err_pct": "train_it_top1"}
_INTEGERS = {"seed": ("rng_seed", 2**31), "params": ("params", 2**63), "flops": ("flops", 2**63),
             "job_id": ("job_id", 2**63)}  # fmt: skip
_REALS = {"iter_time_s": "iter_time", "min_test_err_pct": "min_test_top1", "exp_mem": "exp_mem",
          "act_mem": "act_mem", "prec_time_s": "prec_time"}  # fmt: skip
_CELLS, _MACRO = ("normal", "reduce"), ("depth", "width", "aux", "drop_prob")
_FAMILIES = {"res_bottleneck": "residual_bottleneck", "res_basic": "residual_basic",
             "double_plain": "vanilla"}  # fmt: skip


def reread(path: Path, places: Iterable[Place]) -> Iterator[Reread]:
    """The jobs at ``places`` of an archive, file by file."""
    wanted: dict[str, dict[tuple[str | None, int], Place]] = {}
    for place in places:
        wanted.setdefault(place.file, {})[place.group, place.position] = place
    with zipfile.ZipFile(path) as archive:
        names = {PurePosixPath(name).name: name for name in archive.namelist()}
        for file, here in wanted.items():
            with archive.open(names[file]) as member:
                text = member.read().decode()
            for key, job in _jobs(text):
                if key in here:
                    yield _trial(here.pop(key), job)
                elif not here:  # one after the last: the tables must have it, too
                    yield _trial(Place(file, *key, None, None), job)
                    break


def unread(path: Path, files: Collection[str]) -> Iterator[str]:
    """The JSON files of an archive that hold a job and are not among ``files``."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            file = PurePosixPath(name).name
            if file.lower().endswith(".json") and file not in files:
                with archive.open(name) as member:
                    if next(_jobs(member.read().decode()), None) is not None:
                        yield file


def _jobs(text: str) -> Iterator[tuple[tuple[str | None, int], Any]]:
    """Group and position of each job of a file; jobs are parsed one at a time."""
    decoder, at = json.JSONDecoder(), 0

    def token() -> str:
        nonlocal at
        while text[at].isspace():
            at += 1
        at += 1
        return text[at - 1]

    def elements(group: str | None) -> Iterator[tuple[tuple[str | None, int], Any]]:
        nonlocal at
        position = 0
        if token() == "]":
            return
        at -= 1
        while True:
            token()
            job, at = decoder.raw_decode(text, at - 1)
            yield (group, position), job
            position += 1
            if token() == "]":
                return

    if token() == "[":
        yield from elements(None)
        return
    while True:  # {"top": [...], "mid": [...]}
        token()
        group, at = decoder.raw_decode(text, at - 1)
        token()  # the colon
        token()  # the bracket
        yield from elements(group)
        if token() == "}":
            return


def _trial(place: Place, job: Mapping[str, Any]) -> Reread:
    optim = job["optim"]
    values: dict[str, Any] = {n: _whole(job.get(key), b) for n, (key, b) in _INTEGERS.items()}
    values |= {name: _real(job.get(key)) for name, key in _REALS.items()}
    extra = _extra(job, values)
    values |= {"num_epochs": optim["max_ep"], "dataset": _file_says(place.file)["dataset"]}
    curves = {name: dict(enumerate(map(float, job[key]), 1)) for name, key in _LISTS.items()}
    for split in ("train", "test"):
        errors = curves[f"{split}_err_pct"]
        curves[f"{split}_acc_pct"] = {epoch: 100.0 - error for epoch, error in errors.items()}
    samples = {name: job[key] for name, key in _SAMPLES.items() if key in job}
    configuration = _file_says(place.file) | {
        "num_epochs": optim["max_ep"],
        "base_lr": float(optim["base_lr"]),
        "weight_decay": float(optim["wd"]),
    }
    return Reread(place, _network(job["net"]), values, curves, samples, configuration, extra)


def _file_says(file: str) -> dict[str, str]:
    """What a file's name says, by NNI's rules: ``ResNet_lr-wd_in.json``."""
    generator = "random"
    for mark, name in (("lr-wd", "tune_lr_wd"), ("fix-w-d", "fix_w_d")):
        generator = name if mark in file else generator
    return {
        "proposer": file.removesuffix(".json").split("_")[0].lower(),
        "generator": generator,
        "dataset": "imagenet" if "_in" in file else "cifar10",
    }


def _real(value: Any) -> int | float | None:
    """What a column of numbers can hold; everything else stands in ``extra``."""
    held = isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53)
    return value if held and not isinstance(value, bool) else None


def _whole(value: Any, bound: int) -> int | None:
    """The same for a column of integers."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    held = number is not None and -bound < number < bound and number % 1 == 0
    return int(value) if held else None


def _extra(job: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What no column holds: unknown keys, and numbers that their column cannot hold."""
    numbers = {name: key for name, (key, _) in _INTEGERS.items()} | _REALS
    told = {"net", "optim", *_LISTS.values(), *_SAMPLES.values()}
    told |= {key for name, key in numbers.items() if values[name] is not None}
    extra = {key: value for key, value in job.items() if key not in told}
    optim = {k: v for k, v in job["optim"].items() if k not in ("base_lr", "wd", "max_ep")}
    rest = {"net": _unspecified(job["net"]), "optim": optim}
    return extra | {key: value for key, value in rest.items() if value}


def _unspecified(net: Mapping[str, Any]) -> dict[str, Any]:
    """What of a network `_network` does not write down."""
    if "genotype" not in net:
        return {key: value for key, value in net.items() if key == "block_type" or not value}
    cells = {k: v for k, v in net["genotype"].items() if k.removesuffix("_concat") not in _CELLS}
    own = {key: value for key, value in net.items() if key not in (*_MACRO, "genotype")}
    return own | ({"genotype": cells} if cells else {})


def _network(net: Mapping[str, Any]) -> dict[str, str]:
    """The columns of ``architectures`` by NNI's rules, all nodes of the reduction cell kept."""
    if "genotype" not in net:
        (family,) = (f for prefix, f in _FAMILIES.items() if net["block_type"].startswith(prefix))
        spec = {key: value for key, value in net.items() if value and key != "block_type"}
        return {"model_family": family, "model_spec": _text(spec), "cell_spec": "{}"}
    macro = {key: net[key] for key in _MACRO}
    cells: dict[str, Any] = {}
    for cell in _CELLS:
        edges = net["genotype"][cell]
        macro[f"num_nodes_{cell}"] = len(edges) // 2
        cells[f"{cell}_concat"] = net["genotype"][f"{cell}_concat"]
        for number, (operation, source) in enumerate(edges):
            node, side = f"{cell}_{number // 2}", "xy"[number % 2]
            cells[f"{node}_op_{side}"], cells[f"{node}_input_{side}"] = operation, source
    return {"model_family": "nas_cell", "model_spec": _text(macro), "cell_spec": _text(cells)}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
