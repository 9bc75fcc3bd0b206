"""Tries systems on lists of recordings: reads the lists, has the audio analysed, measures, reports.

The measuring itself is `recognizer.evaluation`.
"""
