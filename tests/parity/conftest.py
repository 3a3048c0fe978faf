"""The upstream packages themselves, beside nasbase on the same raw files."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

# The generators of releases and the steps of a build stand beside the tests of the workflow, tables
# written by hand beside the unit tests.
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / ring) for ring in ("workflow", "unit")]

REQUIREMENTS = ("nni==3.0", "peewee<4", "tqdm")  # NNI 3.0 cannot be imported beside peewee 4


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of NNI's environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "nasbase" / "nni-3.0"
    ready, found = folder / "ready", folder / "bin" / "python"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [found, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, *REQUIREMENTS], check=True)
        ready.touch()
    return found


sys.path.insert(0, str(Path(__file__).resolve().parent))
