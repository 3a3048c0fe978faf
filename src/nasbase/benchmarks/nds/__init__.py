"""The room of NDS (Network Design Spaces)."""
