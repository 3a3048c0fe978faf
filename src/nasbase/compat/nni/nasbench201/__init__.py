"""NAS-Bench-201 as NNI 3.0 answers for it (``nni.nas.benchmark.nasbench201``)."""

from nasbase.compat.nni.nasbench201.constants import (
    AVG_POOL_3X3,
    CONV_1X1,
    CONV_3X3,
    NONE,
    SKIP_CONNECT,
)
from nasbase.compat.nni.nasbench201.query import query_nb201_trial_stats
from nasbase.compat.nni.nasbench201.schema import (
    Nb201IntermediateStats,
    Nb201TrialConfig,
    Nb201TrialStats,
)

__all__ = [
    "AVG_POOL_3X3",
    "CONV_1X1",
    "CONV_3X3",
    "NONE",
    "SKIP_CONNECT",
    "Nb201IntermediateStats",
    "Nb201TrialConfig",
    "Nb201TrialStats",
    "query_nb201_trial_stats",
]
