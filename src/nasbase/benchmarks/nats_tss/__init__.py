"""The room of NATS-Bench's topology space."""
