"""What was learned in one domain, used in another: methods of domain adaptation on features, and on batch norm."""
