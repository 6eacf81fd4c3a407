"""The pictures that each channel responds to most."""
