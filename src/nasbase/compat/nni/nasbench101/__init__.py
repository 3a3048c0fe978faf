"""NAS-Bench-101 as NNI 3.0 answers for it (``nni.nas.benchmark.nasbench101``)."""

from nasbase.compat.nni.nasbench101.constants import (
    CONV1X1_BN_RELU,
    CONV3X3_BN_RELU,
    INPUT,
    MAXPOOL3X3,
    OUTPUT,
)
from nasbase.compat.nni.nasbench101.query import query_nb101_trial_stats
from nasbase.compat.nni.nasbench101.schema import (
    Nb101IntermediateStats,
    Nb101TrialConfig,
    Nb101TrialStats,
)

__all__ = [
    "CONV1X1_BN_RELU",
    "CONV3X3_BN_RELU",
    "INPUT",
    "MAXPOOL3X3",
    "OUTPUT",
    "Nb101IntermediateStats",
    "Nb101TrialConfig",
    "Nb101TrialStats",
    "query_nb101_trial_stats",
]
