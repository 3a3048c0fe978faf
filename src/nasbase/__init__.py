"""Tabular NAS benchmarks, rebuilt from the raw releases."""

__version__ = "0.1.0"
