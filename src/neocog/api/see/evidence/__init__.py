"""Views of what in a picture speaks for a class, or made a unit fire."""
