"""Common corruptions of pictures (Hendrycks and Dietterich 2019): `catalogue.py` lists them."""
