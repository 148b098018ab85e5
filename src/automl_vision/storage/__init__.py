"""Where bytes are: local folders, archives, remote locations, caches on disk."""
