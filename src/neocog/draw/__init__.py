"""Plain arrays and tables become a picture or an HTML page: no torch, nothing of neocog but its errors."""
