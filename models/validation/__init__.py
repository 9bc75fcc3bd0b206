"""Validation sets as audio files with a manifest: ``python -m models.validation --help``."""
