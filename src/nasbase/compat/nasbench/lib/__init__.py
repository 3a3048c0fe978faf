"""What google's API uses and people import: model specifications, graphs, configuration."""
