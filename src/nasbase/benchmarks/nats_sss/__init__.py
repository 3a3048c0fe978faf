"""The room of NATS-Bench's size space."""
