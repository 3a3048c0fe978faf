"""Self-contained HTML pages about installed builds; they need no network and no server."""
