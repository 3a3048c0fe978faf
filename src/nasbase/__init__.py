"""Tabular NAS benchmarks, rebuilt from the raw releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nasbase.query.handle import Benchmark

__version__ = "0.1.0"

__all__ = ["open"]


def open(  # noqa: A001 - `nasbase.open` reads like the built-in and shadows it only here
    name: str, release: str | None = None, home: str | Path | None = None
) -> Benchmark:
    """Open an installed benchmark.

    Parameters
    ----------
    name
        ``nb101``, ``nb201``, ``nats_tss``, ``nats_sss``, ``nds``, or an alias.
    release
        Release to open; by default the one that the catalogue calls latest, which is never a
        synthetic one beside a real one.
    home
        Folder of installed builds; see `nasbase.environment.find_home`.

    Raises
    ------
    ArtifactError
        If it is not installed (the message lists what is), damaged, or of an unknown layout.
    ConfigError
        If there is no such benchmark.
    """
    from nasbase.query.opening import open_benchmark

    return open_benchmark(name, release, home)
