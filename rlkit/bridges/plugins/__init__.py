"""Files that a framework imports by its own configuration; each imports its framework at the top."""
