"""A network, pictures and a recipe become weights."""
