"""The lecture's claims about training, one file each, tried at a scale that a laptop can run."""
