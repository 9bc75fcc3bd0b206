"""Losses, one a file; each takes unit embeddings (n, D) and work labels (n,) and returns a scalar."""
