"""Features of a picture's parts, whose boxes or places come with the data."""
