"""Costs that are promised."""
