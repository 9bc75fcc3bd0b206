"""Losses, one a file.

Each takes unit embeddings (n, D), or the features below them where it says so, and work labels (n,), and returns a
scalar. Rows are performances in any order; the windows of one performance follow each other.
"""
