"""Random changes of training pictures as functions of whole batches, and the crops of evaluation."""
