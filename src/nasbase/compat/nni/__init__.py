"""NNI's NAS benchmarks on the artifacts of nasbase, without NNI.

Only the import root changes: ``nni.nas.benchmark`` becomes ``nasbase.compat.nni``::

    from nasbase.compat.nni.nasbench101 import query_nb101_trial_stats

The numbers are those of NNI's own databases, mistakes included. Where one misleads, and where a
question has no answer because a name is not spelled as NNI spells it, `NniWarning` says so once.

Search spaces and evaluators of NNI (``NasBench101Benchmark`` and the like) are not here.
"""

from nasbase.compat.nni.notices import NniWarning
from nasbase.compat.nni.utils import download_benchmark, load_benchmark

__all__ = ["NniWarning", "download_benchmark", "load_benchmark"]
