"""The sources table, downloads, verification, the lock and the store."""
