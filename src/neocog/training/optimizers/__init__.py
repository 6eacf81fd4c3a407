"""Optimizers: torch's own by name, and those it lacks."""
