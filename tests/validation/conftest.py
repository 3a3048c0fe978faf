"""A good build of every benchmark, made once per session."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow"))

from harness import sample
from tampering import Good, good_build

from nasbase.benchmarks import room_of

ARCHITECTURES = {"nb101": 8, "nb201": 6, "nats_tss": 6, "nats_sss": 6, "nds": 68}


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The good build of a benchmark, by name."""
    folder = tmp_path_factory.mktemp("good")

    @cache
    def of(benchmark: str) -> Good:
        sample(folder / "samples", benchmark, architectures=ARCHITECTURES[benchmark])
        built = good_build(folder, benchmark, "samples/sources.yaml")
        other = room_of(benchmark).counterpart
        return replace(built, counterpart=of(other).work / "parquet") if other else built

    return of
