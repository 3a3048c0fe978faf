"""Drop-in for nas_201_api 2.1: ``from nasbase.compat.nas_201_api import NASBench201API``."""

from __future__ import annotations

from nasbase.compat.nas_201_api.api_201 import NASBench201API
from nasbase.compat.nas_201_api.api_utils import ArchResults, ResultsCount

__all__ = ["NAS_BENCH_201_API_VERSION", "ArchResults", "NASBench201API", "ResultsCount"]

NAS_BENCH_201_API_VERSION = "v2.0"
