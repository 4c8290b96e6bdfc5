"""Compressed files, with the programs of the system doing the work."""
