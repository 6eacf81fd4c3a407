"""The view `embedding`."""
