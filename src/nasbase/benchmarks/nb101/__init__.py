"""NAS-Bench-101 (Ying et al., 2019): cells of at most 7 vertices and 9 edges on CIFAR-10."""

from nasbase.benchmarks.nb101.room import NB101

ROOM = NB101()
