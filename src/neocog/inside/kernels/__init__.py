"""The kernels of convolutions."""
