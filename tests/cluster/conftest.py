"""The cluster that the tests submit to."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# How `snakemake` is called and results are compared stands beside the tests of the workflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from slurm import slurm_on_loopback, why_not


@pytest.fixture(scope="session")
def slurm():
    """A running Slurm; tests skip, and say why, where none can be started."""
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("not installed: snakemake-executor-plugin-slurm (the extra `slurm`)")
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with slurm_on_loopback() as running:
        yield running
