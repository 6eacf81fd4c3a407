"""How a network learned, and how its layers do."""
