"""Views of attention and of positions."""
