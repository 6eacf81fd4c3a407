"""The views of a picture whose answers papers average at test time."""
