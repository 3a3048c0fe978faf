"""The room of NAS-Bench-201."""

from nasbase.benchmarks.nb201.room import NasBench201

ROOM = NasBench201()
