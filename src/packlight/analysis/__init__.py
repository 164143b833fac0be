"""Summaries, comparisons, advice and capacity plans from measurements, as plain data."""
