"""Compositions in, training views out: reading scores, making versions of them, imitating what a front end hears."""
