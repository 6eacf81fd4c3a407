"""One function per verb, the estimators, and the names of models resolved to networks."""
