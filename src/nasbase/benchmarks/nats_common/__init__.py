"""What NAS-Bench-201 and NATS-Bench share: the record and the topology space."""
