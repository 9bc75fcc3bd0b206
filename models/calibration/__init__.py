"""Fits the numbers that make confidence a probability, on programmes whose truth is known."""
