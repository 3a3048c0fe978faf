"""Writers and readers of Parquet, SQLite and HDF5, and the manifest."""
