"""The view `training`."""
