"""The handle that `nasbase.open` returns."""
