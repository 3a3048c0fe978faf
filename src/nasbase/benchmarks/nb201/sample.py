"""Made-up releases of NAS-Bench-201: one file of ``torch.save``, as upstream wrote it.

The file is written entry by entry, so that a sample of the full size needs no memory of its size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.sample import arch_results
from nasbase.benchmarks.room import Progress
from nasbase.containers.pickle_write import Piece, PiecewisePickler
from nasbase.containers.torch_file import write_legacy, write_zip
from nasbase.errors import ConfigError

FILE = "NAS-Bench-201-sample.pth"
ALWAYS = (0, 11, 12, 347, 1224, 1234)
"""Architectures that every sample holds: 347 was trained twice, 11 and 12 three times."""

OPTIONS = {
    "container": ("legacy", "zip"),
    "version": ("1.1", "1.0"),
    "order": ("index", "shuffled"),
}
"""Options of a sample, the default of each first."""

_INLINE = 32  # fewer entries are not worth starting processes
_CHUNK = 256  # bounds what waits to be written


def write(
    out: Path,
    *,
    architectures: int,
    seed: int,
    options: Mapping[str, Any],
    progress: Progress,
) -> Sequence[Mapping[str, Any]]:
    """Write a sample release; see `nasbase.benchmarks.room.Room.write_sample`."""
    chosen = _options(options)
    indexes = _indexes(architectures, seed, chosen["order"])
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE
    writer = write_zip if chosen["container"] == "zip" else write_legacy
    with path.open("wb") as file:
        writer(file, _chunks(indexes, seed, chosen["version"], progress))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    progress(f"wrote {FILE}")
    return [
        {
            "name": FILE,
            "form": None,
            "urls": [FILE],
            "bytes": path.stat().st_size,
            "sha256": digest,
        }
    ]


def _options(options: Mapping[str, Any]) -> dict[str, str]:
    chosen = {name: str(options.get(name, values[0])) for name, values in OPTIONS.items()}
    wrong = [name for name, value in chosen.items() if value not in OPTIONS[name]]
    if wrong or options.keys() - OPTIONS.keys():
        raise ConfigError(
            "A sample of NAS-Bench-201 has no such option.",
            expected="; ".join(f"{name}: {' or '.join(v)}" for name, v in OPTIONS.items()),
            found=dict(options),
        )
    return chosen


def _indexes(architectures: int, seed: int, order: str) -> list[int]:
    rng = np.random.default_rng((seed, topology.SIZE))
    drawn = [*ALWAYS, *rng.permutation(topology.SIZE).tolist()]
    count = min(max(architectures, len(ALWAYS)), topology.SIZE)
    indexes = sorted(list(dict.fromkeys(drawn))[:count])
    if order == "shuffled":
        rng.shuffle(indexes)
    return indexes


# ---------------------------------------------------------------------------------------------
# the records


def record(index: int, seed: int, version: str) -> dict[str, dict[str, Any]]:
    """Both records of one architecture; they depend on nothing but the arguments."""
    text = "".join(topology.enumeration()[index])
    states = {}
    for hp, epochs in (("full", 200), ("less", 12)):
        rng = np.random.default_rng((seed, index, epochs))
        states[hp] = arch_results("nb201", index, text, hp, rng)
        if version == "1.0":
            _as_first_released(states[hp], hp, rng)
    return states


def _as_first_released(state: dict[str, Any], hp: str, rng: np.random.Generator) -> None:
    """Take away what version 1.0 lacked: times of long runs, and three of four short ones."""
    results, seeds = state["all_results"], state["dataset_seed"]
    if hp == "less":
        for key in [key for key in results if key[0] != "cifar10-valid"]:
            del results[key]
        for dataset in [dataset for dataset in seeds if dataset != "cifar10-valid"]:
            del seeds[dataset]
        return
    for result in results.values():
        result["train_times"] = None
        result["eval_times"] = {}
        # Latencies were measured once per run; version 1.1 averaged them.
        result["latency"] = [np.float64(result["latency"][0] * rng.uniform(0.9, 1.1))]


# ---------------------------------------------------------------------------------------------
# the pickle


def _pickler(first: int, seed: int, version: str) -> PiecewisePickler:
    strings = list(topology.enumeration())
    return PiecewisePickler(
        {"meta_archs": strings, "total_archs": len(strings)},
        "arch2infos",
        (first, record(first, seed, version)),
        shared=lambda text: "@" not in text,
    )


class _Entries:
    """Makes pieces of the pickle, here or in a process of its own."""

    pickler: PiecewisePickler
    seed: int
    version: str

    @classmethod
    def start(cls, first: int, seed: int, version: str) -> None:
        cls.pickler = _pickler(first, seed, version)
        cls.seed, cls.version = seed, version

    @classmethod
    def piece(cls, index: int) -> Piece:
        return cls.pickler.piece(index, record(index, cls.seed, cls.version))


def _pieces(indexes: Sequence[int], seed: int, version: str) -> Iterator[Piece]:
    first, *others = indexes
    if len(indexes) < _INLINE:
        _Entries.start(first, seed, version)
        yield from map(_Entries.piece, others)
        return
    with ProcessPoolExecutor(
        os.cpu_count(), initializer=_Entries.start, initargs=(first, seed, version)
    ) as processes:
        for start in range(0, len(others), _CHUNK):
            yield from processes.map(_Entries.piece, others[start : start + _CHUNK], chunksize=4)


def _chunks(indexes: Sequence[int], seed: int, version: str, progress: Progress) -> Iterator[bytes]:
    pickler = _pickler(indexes[0], seed, version)

    def pieces() -> Iterator[Piece]:
        for count, piece in enumerate(_pieces(indexes, seed, version), start=2):
            if count % 1000 == 0:
                progress(f"{count} of {len(indexes)} architectures")
            yield piece

    tail = {"evaluated_indexes": sorted(indexes)}
    yield from pickler.chunks(pieces(), len(indexes), tail)
