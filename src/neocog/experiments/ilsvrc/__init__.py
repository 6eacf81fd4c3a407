"""ImageNet's challenge as the lecture prints it, what was published, and what the networks come to here."""
