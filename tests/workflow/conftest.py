"""Sample releases and builds of them, made once per session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from harness import Workflow, sample, workflow_in


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    """Small sample releases of all five benchmarks, with their table."""
    out = tmp_path_factory.mktemp("samples")
    sample(out, "all")
    return out


@pytest.fixture(scope="session")
def built(samples, tmp_path_factory) -> Workflow:
    """All five benchmarks, built once; tests read it and change nothing."""
    workflow = workflow_in(tmp_path_factory.mktemp("built"), samples)
    workflow.run()
    return workflow


@pytest.fixture(scope="session")
def _small(samples, tmp_path_factory) -> Workflow:
    workflow = workflow_in(tmp_path_factory.mktemp("small"), samples, benchmarks="nb101")
    workflow.run()
    return workflow


@pytest.fixture
def small(_small, tmp_path) -> Workflow:
    """A copy of a built nb101, for tests that change something."""
    folder = tmp_path / "small"
    # cp -a keeps times and hard links, as a user's own copy or backup would.
    subprocess.run(["cp", "-a", str(_small.folder), str(folder)], check=True)
    return Workflow(folder, config=_small.config)
