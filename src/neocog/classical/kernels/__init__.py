"""Several kinds of features in one machine: their kernels, what each counts, and the classifier on the sum."""
