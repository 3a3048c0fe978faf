"""NNI's models of NAS-Bench-101 (accuracies in percent, parameters in millions).

``Nb101TrialStats.training_time`` is 60 times the released seconds;
``Nb101IntermediateStats.training_time`` holds the seconds.
"""

from peewee import Proxy

from nasbase.compat.nni.models import models

proxy = Proxy()

Nb101TrialConfig, Nb101TrialStats, Nb101IntermediateStats = models(
    "nb101", "Nb101", proxy, __name__
)
