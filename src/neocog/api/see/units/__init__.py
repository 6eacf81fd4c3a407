"""Views of filters, units, maps, what they see, and non-linearities."""
