"""NNI's databases, from the Parquet tables alone: ``nasbench101``, ``nasbench201`` and ``nds``.

Tables, indexes, row ids and values are exactly those that NNI's own converters (``db_gen`` of
``nni.nas.benchmark``) make of the same release, their mistakes included; the modules of this folder
say which. Here stand their names, for whoever only looks for one.
"""

DATABASES = {"nb101": "nasbench101", "nb201": "nasbench201", "nds": "nds"}
"""Benchmark -> NNI's name of its database. NNI has none of NATS-Bench."""

FOLDER = "nni"
"""Folder of the database in a build, and in NNI's own cache."""

BUILD_TABLE = "nasbase_build"
"""The one table beside NNI's own, which NNI never looks at: (key, value) of the build."""

LEFT_OUT = "left_out"
"""Key in `BUILD_TABLE`: trainings of the release that NNI's tables cannot hold."""


def pinned(name: str, sha256: str) -> str:
    """File name of a database as NNI 2.5 and later demand it: with the start of its SHA-256."""
    return f"{name}-{sha256[:8]}.db"
