"""How weights are found, in numbers and by name."""
