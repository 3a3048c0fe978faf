"""The room of NAS-Bench-101."""
