"""Batches of pictures in a reproducible order: what comes next, who decodes it, and how it arrives."""
