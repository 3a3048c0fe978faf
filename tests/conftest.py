"""Fixtures that every ring of tests uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing on a shared machine.
settings.register_profile("nasbase", deadline=None)
settings.load_profile("nasbase")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real pieces of the releases; tests that need it skip where it is not."""
    folder = Path(os.environ.get("NASBASE_REALDATA", ROOT.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip(f"no folder of real release pieces at {folder} (set NASBASE_REALDATA)")
    return folder
