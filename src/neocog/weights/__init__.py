"""Weights from elsewhere: which are published, how files are read and fetched, and how they fit a network."""
