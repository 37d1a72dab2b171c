"""Reads and changes the cluster, through kubectl. The only package that does I/O on it."""
