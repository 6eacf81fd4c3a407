"""Pictures in, probabilities or features out, as fast as this machine allows."""
