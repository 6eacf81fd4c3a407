"""What there was before the networks: classifiers on pixels, descriptors of pictures, encodings of them."""
