"""NNI's models of NAS-Bench-201 (accuracies in percent, times in seconds, sizes in millions).

``valid_acc`` and ``valid_loss`` of data set ``cifar10`` are those of the test set.
"""

from peewee import Proxy

from nasbase.compat.nni.models import models

proxy = Proxy()

Nb201TrialConfig, Nb201TrialStats, Nb201IntermediateStats = models(
    "nb201", "Nb201", proxy, __name__
)
