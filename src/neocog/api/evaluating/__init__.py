"""The verb `eval`: from a classifier, or several, and labelled pictures to figures with their uncertainty."""
