"""The room of NATS-Bench's topology space."""

from nasbase.benchmarks.nats_tss.room import NatsTopology

ROOM = NatsTopology()
