"""The commands of ``indexer``, one module for each group."""
