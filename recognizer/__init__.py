"""Streaming, real-time cover recognition: the pure core (see `recognizer.pipeline` for the line)."""

__version__ = "0.1.0"
