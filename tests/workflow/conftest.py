"""Sample releases and builds of them, made once per session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from harness import Workflow, sample, settings, workflow_in


@pytest.fixture(scope="session")
def samples(shared) -> Path:
    """Small sample releases of all five benchmarks, with their table."""
    return shared("samples", lambda folder: sample(folder, "all"))


@pytest.fixture(scope="session")
def built(samples, shared) -> Workflow:
    """All five benchmarks, built once; tests read it and change nothing."""
    return _workflow(shared, "built", samples)


@pytest.fixture(scope="session")
def _small(samples, shared) -> Workflow:
    return _workflow(shared, "small", samples, benchmarks="nb101")


def _workflow(shared, name: str, samples: Path, **config) -> Workflow:
    folder = shared(name, lambda folder: workflow_in(folder, samples, **config).run())
    return Workflow(folder, config=settings(**config))


@pytest.fixture
def small(_small, tmp_path) -> Workflow:
    """A copy of a built nb101, for tests that change something."""
    folder = tmp_path / "small"
    # cp -a keeps times and hard links, as a user's own copy or backup would.
    subprocess.run(["cp", "-a", str(_small.folder), str(folder)], check=True)
    return Workflow(folder, config=_small.config)
