"""NATS-Bench's topology space: the cells of NAS-Bench-201, in archives of members."""

from __future__ import annotations

from nasbase.benchmarks.nats_common.room import ArchiveRoom, TopologyRoom


class NatsTopology(TopologyRoom, ArchiveRoom):
    """15,625 cells, trained for 12 and for 200 epochs."""

    name = "nats_tss"
    title = "NATS-Bench, topology space"
    hps = ("12", "200")
    archive = "NATS-tss-sample"
    always = (0, 11, 12, 1224, 1234)
