"""One number of a network as arithmetic."""
