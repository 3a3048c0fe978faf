"""NNI's models of NDS (accuracies in percent: 100 minus the released error; sizes in millions)."""

from peewee import Proxy

from nasbase.compat.nni.models import models

proxy = Proxy()

NdsTrialConfig, NdsTrialStats, NdsIntermediateStats = models("nds", "Nds", proxy, __name__)
