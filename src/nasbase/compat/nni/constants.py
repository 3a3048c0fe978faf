"""Where NNI keeps its databases (``nni.nas.benchmark.constants``)."""

from __future__ import annotations

import os

ENV_NASBENCHMARK_DIR = "NASBENCHMARK_DIR"


def nni_cache_home() -> str:
    """NNI's cache folder: ``$NNI_HOME``, else ``nni`` in ``$XDG_CACHE_HOME``, else in ~/.cache."""
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("NNI_HOME", os.path.join(cache, "nni")))  # noqa: PTH111, PTH118


def default_folder() -> str:
    """NNI's own folder of databases, where ``$NASBENCHMARK_DIR`` names no other."""
    return os.path.join(nni_cache_home(), "nasbenchmark")  # noqa: PTH118


DATABASE_DIR = os.getenv(ENV_NASBENCHMARK_DIR, default_folder())

DB_URLS = {
    "nasbench101": "nasbench101-209f5694.db",
    "nasbench201": "nasbench201-b2b60732.db",
    "nds": "nds-5745c235.db",
}
"""Name of a database -> file that is preferred where it lies beside others.

They are the files that NNI offered for download, from addresses that are gone. A program that sets
an entry to a file of its own, as NNI 2.5 and later need it, does so here with the same effect.
"""
