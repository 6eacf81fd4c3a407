"""The verb `adapt`: what was learned in one domain, used in another."""
