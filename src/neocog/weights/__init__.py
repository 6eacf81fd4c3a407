"""Weights from elsewhere: which published ones there are, where they lie, and how they are read."""
