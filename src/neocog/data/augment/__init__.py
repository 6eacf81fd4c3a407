"""Random changes of training pictures as functions of whole batches."""
