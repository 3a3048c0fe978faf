"""The upstream packages themselves, beside nasbase on the same raw files."""

from __future__ import annotations

import sys
from pathlib import Path

# The generators of releases and the steps of a build stand beside the tests of the workflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
