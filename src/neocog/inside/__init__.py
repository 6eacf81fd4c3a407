"""What a network has learned, as arrays: its filters, units, evidence, attention. Nothing here draws."""
