"""Where nasbase finds things: installed builds, and itself in the jobs that a workflow starts."""

from __future__ import annotations

import os
from pathlib import Path


def find_home(home: str | Path | None = None) -> Path:
    """Folder of installed builds.

    The argument, else ``$NASBASE_HOME``, else ``./results`` if it is there, else ``nasbase`` in
    the user's data folder (XDG).
    """
    if home is not None:
        return Path(home)
    if os.environ.get("NASBASE_HOME"):
        return Path(os.environ["NASBASE_HOME"])
    if Path("results").is_dir():
        return Path("results")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "nasbase"


def expose_package(source: Path) -> None:
    """Make the package under ``source`` the one that child processes import."""
    paths = [str(source), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
