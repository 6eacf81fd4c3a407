"""Predictions become scores with their uncertainty."""
