"""The way back from a unit to the pixels."""
