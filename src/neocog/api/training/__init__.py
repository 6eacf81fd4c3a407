"""The verb `train`: from what a user says to a finished run."""
