"""The composition root: the only modules that see every edge."""
