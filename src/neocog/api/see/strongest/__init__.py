"""The view `patches`: what each channel responds to most."""
