"""The room of NAS-Bench-201."""
