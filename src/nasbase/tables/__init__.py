"""The column catalogue, and tables made from shards."""
