"""A made-up NDS release: upstream's files and format, invented numbers."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import orjson

from nasbase.benchmarks.nds.costs import cifar_cost
from nasbase.benchmarks.nds.files import COUNTS, GROUPS, STEMS, dataset_of, proposer_of
from nasbase.benchmarks.nds.space import BLOCK_PREFIXES
from nasbase.benchmarks.room import Progress
from nasbase.staging import staged_file

FILE_NAME = "nds-sample.zip"
MINIMUM = 2 * len(STEMS)
"""Fewest trainings of a sample: two per file."""

EPOCHS = {"cifar10": 100, "imagenet": 50}
ITERATION_SAMPLES = 20
DIVERGED = 0.005
"""Share of the trainings whose loss becomes NaN, beside the second of every file."""

_BLOCK = 256  # trainings that are made and written at once
_UNKNOWN = {"_in": 500, "_lr-wd": 5000, "_reruns": 200, "_rng": 5000, "ResNet-B": 12_000}

NasSpace = tuple[int, tuple[str, ...]]
_CELL_SPACES: dict[str, NasSpace] = {
    "amoeba": (5, ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "avg_pool_3x3",
                   "max_pool_3x3", "dil_sep_conv_3x3", "conv_7x1_1x7")),
    "darts": (4, ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3",
                  "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")),
    "enas": (5, ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")),
    "nasnet": (5, ("skip_connect", "conv_3x1_1x3", "conv_7x1_1x7", "dil_conv_3x3", "avg_pool_3x3",
                   "max_pool_3x3", "max_pool_5x5", "max_pool_7x7", "conv_1x1", "conv_3x3",
                   "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7")),
    "pnas": (5, ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_7x1_1x7", "skip_connect",
                 "avg_pool_3x3", "max_pool_3x3", "dil_conv_3x3")),
}  # fmt: skip
"""Nodes per cell and operations of each proposer."""

_BLOCK_TYPES = {
    "resnet": "res_basic_block",
    "vanilla": "double_plain_block",
    "resnet-b": "res_bottleneck_block",
    "resnext-a": "res_bottleneck_block",
    "resnext-b": "res_bottleneck_block",
}

GOLDEN: dict[str, dict[str, Any]] = {
    "Amoeba": {
        "genotype": {
            "normal": [
                ["avg_pool_3x3", 0], ["conv_7x1_1x7", 1], ["sep_conv_3x3", 2], ["sep_conv_5x5", 0],
                ["dil_sep_conv_3x3", 2], ["dil_sep_conv_3x3", 2], ["skip_connect", 4],
                ["dil_sep_conv_3x3", 4], ["conv_7x1_1x7", 2], ["sep_conv_3x3", 4],
            ],
            "normal_concat": [3, 5, 6],
            "reduce": [
                ["avg_pool_3x3", 0], ["dil_sep_conv_3x3", 1], ["sep_conv_3x3", 0],
                ["sep_conv_3x3", 0], ["skip_connect", 2], ["sep_conv_7x7", 0],
                ["conv_7x1_1x7", 4], ["skip_connect", 4], ["conv_7x1_1x7", 0], ["conv_7x1_1x7", 5],
            ],
            "reduce_concat": [3, 6],
        },
        "depth": 12, "width": 32, "aux": False, "drop_prob": 0.0,
    },
    "ResNeXt-A": {
        "block_type": "res_bottleneck_block", "ds": [1, 16, 1, 4], "ss": [1, 1, 2, 2],
        "ws": [16, 64, 128, 16], "bot_muls": [0.0, 0.25, 0.25, 0.25], "num_gs": [1, 2, 1, 2],
    },
    "ResNet": {
        "block_type": "res_basic_block", "ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2],
        "ws": [16, 24, 24, 40], "bot_muls": [], "num_gs": [],
    },
    "Vanilla": {
        "block_type": "double_plain_block", "ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2],
        "ws": [16, 24, 32, 40], "bot_muls": [], "num_gs": [],
    },
}  # fmt: skip
"""Networks that NNI's documentation shows; each is the first of its file."""


def write_sample(
    out: Path, *, trainings: int, seed: int, options: Mapping[str, Any], progress: Progress
) -> Sequence[Mapping[str, Any]]:
    """Write ``nds-sample.zip`` with all 34 files, and give its row of the sources table.

    Parameters
    ----------
    out
        Folder for the archive.
    trainings
        Number of trainings over all files, shared out roughly as upstream's; at least 68 (two
        per file), and raised to that with a message.
    seed
        Seed of everything random.
    options
        ``iterations``: sampled iterations per training (default 20).
    progress
        Receives what should be known: that the number was raised.
    """
    if trainings < MINIMUM:
        progress(f"nds: {trainings} trainings are too few for 34 files: writing {MINIMUM}")
    counts = shares(max(trainings, MINIMUM))
    samples = int(options.get("iterations", ITERATION_SAMPLES))
    path = out / FILE_NAME
    with staged_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for stem in STEMS:
            with archive.open(_entry(stem), "w", force_zip64=True) as stream:
                _write_file(stream, _File(stem, counts[stem], seed, samples))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    return [{"name": FILE_NAME, "form": None, "urls": [FILE_NAME], "bytes": size, "sha256": digest}]


def shares(total: int) -> dict[str, int]:
    """Share out trainings over the files: two each, the rest in upstream's proportions."""
    weights = np.array([_weight(stem) for stem in STEMS], dtype=np.float64)
    exact = (total - MINIMUM) * weights / weights.sum()
    counts = np.floor(exact).astype(np.int64)
    left = total - MINIMUM - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:left]] += 1
    return {stem: 2 + int(count) for stem, count in zip(STEMS, counts, strict=True)}


def _weight(stem: str) -> int:
    """Trainings of a file upstream, guessed where nobody remembers them."""
    known = COUNTS[stem]
    if known is not None:
        return known
    return next((number for part, number in _UNKNOWN.items() if part in stem), 25_000)


def _entry(stem: str) -> zipfile.ZipInfo:
    """Directory entry without the clock or the system in it."""
    entry = zipfile.ZipInfo(f"nds_data/{stem}.json", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    return entry


# ---------------------------------------------------------------------------------------------
# one file


class _File:
    """What is needed to make the trainings of one file."""

    def __init__(self, stem: str, trainings: int, seed: int, samples: int) -> None:
        self.stem = stem
        self.trainings = trainings
        self.seed = seed
        self.samples = samples
        self.dataset = dataset_of(stem)
        self.epochs = EPOCHS[self.dataset]
        self.rerun = "_reruns" in stem
        self.repeated = self.rerun or "_rng" in stem
        self.home = stem.partition("_")[0] if self.repeated else stem

    def generator(self, purpose: int, block: int) -> np.random.Generator:
        """Random numbers of one block; networks of a repeated file are those of its home."""
        index = STEMS.index(self.home if purpose == _NETWORKS else self.stem)
        return np.random.default_rng([self.seed, index, purpose, block])


_NETWORKS, _RUNS = 0, 1


def _write_file(stream: IO[bytes], file: _File) -> None:
    if not file.rerun:
        _write_list(stream, _texts(file, 0, file.trainings, network=None))
        return
    # Both orders of the keys exist in samples, so that readers cannot rely on one.
    groups = GROUPS if file.stem.startswith("ResNet") else GROUPS[::-1]
    middle = file.trainings // 2
    ranges = {groups[0]: (0, middle), groups[1]: (middle, file.trainings)}
    for group, (start, stop) in ranges.items():
        stream.write(b"{" if group == groups[0] else b", ")
        stream.write(f'"{group}": '.encode())
        _write_list(stream, _texts(file, start, stop, network=GROUPS.index(group)))
    stream.write(b"}")


def _write_list(stream: IO[bytes], texts: Iterator[bytes]) -> None:
    stream.write(b"[")
    for number, text in enumerate(texts):
        stream.write(b", " + text if number else text)
    stream.write(b"]")


def _texts(file: _File, start: int, stop: int, *, network: int | None) -> Iterator[bytes]:
    """JSON text of the trainings from ``start`` to ``stop``; all of one network if given."""
    for block in range(start // _BLOCK, -(-stop // _BLOCK)):
        nets = _networks(file, 0 if network is not None else block)
        runs = _runs(file, block)
        for index in range(max(start, block * _BLOCK), min(stop, (block + 1) * _BLOCK)):
            place = index % _BLOCK
            job = _job(file, nets[place if network is None else network], runs, index, place)
            # orjson writes NaN as null; upstream has the literal.
            yield json.dumps(job).encode() if runs.diverged[place] else _orjson(job)


def _orjson(job: dict[str, Any]) -> bytes:
    return orjson.dumps(job, option=orjson.OPT_SERIALIZE_NUMPY)


def _job(file: _File, net: dict[str, Any], runs: _Runs, index: int, place: int) -> dict[str, Any]:
    params, flops = _cost(file, net)
    job: dict[str, Any] = {
        "job_id": 100_000 * STEMS.index(file.stem) + index,
        "rng_seed": _seed(file, index),
        "exp_mem": 1000 + params // 2000,
        "act_mem": 900 + params // 2100,
        "iter_time": round(0.01 + flops * 3e-10, 3),
        "params": params,
        "flops": flops,
        "net": net,
        "optim": {
            "base_lr": float(runs.base_lr[place]),
            "wd": float(runs.weight_decay[place]),
            "max_ep": file.epochs,
            "lr_policy": "cos",
        },
        "min_test_top1": float(runs.test_errors[place].min()),
    }
    if file.dataset == "cifar10":
        job["prec_time"] = {"train_fw_bw": round(0.008 + flops * 2.5e-10, 6)}
    lists = {
        "train_ep_loss": runs.losses[place],
        "train_ep_top1": runs.train_errors[place],
        "test_ep_top1": runs.test_errors[place],
        "train_it_loss": runs.sample_losses[place],
        "train_it_top1": runs.sample_errors[place],
    }
    plain = runs.diverged[place]  # json knows no arrays
    job.update({key: row.tolist() if plain else row for key, row in lists.items()})
    return job


def _seed(file: _File, index: int) -> int:
    if file.rerun:
        return index + 1
    return int(file.stem[-1]) if file.repeated else 1


# ---------------------------------------------------------------------------------------------
# networks


def _networks(file: _File, block: int) -> list[dict[str, Any]]:
    rng = file.generator(_NETWORKS, block)
    proposer = proposer_of(file.stem)
    make: Callable[[_File, str, np.random.Generator], dict[str, Any]] = (
        _cell_net if proposer in _CELL_SPACES else _stage_net
    )
    nets = [make(file, proposer, rng) for _ in range(_BLOCK)]
    if block == 0 and file.home in GOLDEN:
        nets[0] = GOLDEN[file.home]
    return nets


def _cell_net(file: _File, proposer: str, rng: np.random.Generator) -> dict[str, Any]:
    nodes, operations = _CELL_SPACES[proposer]
    genotype: dict[str, Any] = {}
    for kind in ("normal", "reduce"):
        chosen = rng.integers(len(operations), size=2 * nodes).tolist()
        sources = rng.integers(np.repeat(np.arange(2, nodes + 2), 2)).tolist()
        genotype[kind] = [[operations[o], s] for o, s in zip(chosen, sources, strict=True)]
        loose = [node for node in range(2, nodes + 2) if node not in sources]
        genotype[f"{kind}_concat"] = loose
    fixed = "fix-w-d" in file.stem
    return {
        "genotype": genotype,
        "depth": 20 if fixed else int(rng.choice([4, 8, 12, 16, 20])),
        "width": 16 if fixed else int(rng.choice([16, 24, 32])),
        "aux": file.dataset == "imagenet",
        "drop_prob": 0.0,
    }


def _stage_net(file: _File, proposer: str, rng: np.random.Generator) -> dict[str, Any]:
    stages = 4 if file.dataset == "imagenet" else 3
    bottleneck = proposer.startswith("resnext") or proposer == "resnet-b"
    net: dict[str, Any] = {
        "block_type": _BLOCK_TYPES[proposer],
        "ds": [1, *rng.integers(1, 17, size=stages).tolist()],
        "ss": [1, 1, *([2] * (stages - 1))],
        "ws": [16, *(16 * rng.integers(1, 17, size=stages)).tolist()],
        "bot_muls": [],
        "num_gs": [],
    }
    if bottleneck:
        net["bot_muls"] = [0.0, *(rng.choice([0.25, 0.5], size=stages)).tolist()]
        grouped = proposer.startswith("resnext")
        groups = rng.choice([1, 2, 4] if grouped else [1], size=stages)
        net["num_gs"] = [1, *groups.tolist()]
    return net


def _cost(file: _File, net: dict[str, Any]) -> tuple[int, int]:
    """Parameters and operations: by formula where there is one, else some plausible size."""
    if "genotype" in net:
        params = 900 * net["depth"] * net["width"] ** 2 // 4
        return params, 160 * params
    families = BLOCK_PREFIXES.items()
    family = next(f for prefix, f in families if net["block_type"].startswith(prefix))
    cost = cifar_cost(family, net)
    if cost is None:
        raise ValueError(f"a made-up network has no cost: {net}")
    return cost if file.dataset == "cifar10" else (cost[0] + 500_000, 4 * cost[1])


# ---------------------------------------------------------------------------------------------
# numbers


class _Runs(NamedTuple):
    """The numbers of one block of trainings, one row each."""

    base_lr: np.ndarray
    weight_decay: np.ndarray
    diverged: np.ndarray
    losses: np.ndarray
    train_errors: np.ndarray
    test_errors: np.ndarray
    sample_losses: np.ndarray
    sample_errors: np.ndarray


def _runs(file: _File, block: int) -> _Runs:
    rng = file.generator(_RUNS, block)
    tuned = "lr-wd" in file.stem
    # Log-uniform where a file tunes them, the paper's defaults elsewhere.
    rates, decays = 10 ** rng.uniform(-3, 0, size=_BLOCK), 10 ** rng.uniform(-5, -2, size=_BLOCK)
    floor = (5.0 if file.dataset == "cifar10" else 25.0) + rng.gamma(2.0, 1.5, size=(_BLOCK, 1))
    time = np.linspace(0, 1, file.epochs)
    errors = floor + (85 - floor) * np.exp(-5 * time) + rng.normal(0, 0.4, (_BLOCK, file.epochs))
    diverged = rng.random(_BLOCK) < DIVERGED
    diverged[1] |= block == 0
    onset = rng.integers(1, file.epochs, size=(_BLOCK, 1))
    lost = diverged[:, None] & (np.arange(file.epochs) >= onset)
    chance = 90.0 if file.dataset == "cifar10" else 99.9
    train_errors = np.where(lost, chance, np.clip(0.8 * errors - 2, 0, 100).round(3))
    losses = np.where(lost, np.nan, (0.03 * train_errors + 0.01).round(3))
    at = np.linspace(0, file.epochs - 1, file.samples).astype(np.int64)
    return _Runs(
        base_lr=rates if tuned else np.full(_BLOCK, 0.1),
        weight_decay=decays if tuned else np.full(_BLOCK, 5e-4),
        diverged=diverged,
        losses=losses,
        train_errors=train_errors,
        test_errors=np.where(lost, chance, np.clip(errors, 0, 100).round(2)),
        sample_losses=np.ascontiguousarray(losses[:, at]),
        sample_errors=np.ascontiguousarray(train_errors[:, at]),
    )
