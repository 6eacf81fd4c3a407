"""What there was before the networks: classifiers on pixels."""
