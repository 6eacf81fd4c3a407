"""A path or a name becomes labelled pictures, and a picture becomes a network's input."""
