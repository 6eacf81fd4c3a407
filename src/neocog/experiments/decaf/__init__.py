"""The lecture's four tables of features from a trained network, beside what their sources published."""
