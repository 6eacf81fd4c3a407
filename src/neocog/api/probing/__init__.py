"""The verb `probe`: classifiers on the features of a frozen network."""
