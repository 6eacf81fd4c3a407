"""What is done to a network beside its steps."""
