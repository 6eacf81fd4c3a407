"""The lecture's tables and figures, one file each."""
