"""Features of pictures: of any layer of any network, kept, written and read."""
