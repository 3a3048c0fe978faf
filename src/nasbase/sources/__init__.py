"""The sources table, downloads, verification, the lock and the store.

``table`` reads which files a release has; ``obtain`` gets them (``download``, ``gdrive``, the
drop-in folder), compares them with the table and the ``lock``, and keeps them in the ``store``;
``fetched`` writes down for later steps what was obtained.
"""
