"""The room of NATS-Bench's size space."""

from nasbase.benchmarks.nats_sss.room import NatsSize

ROOM = NatsSize()
