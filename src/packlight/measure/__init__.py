"""Measuring: worker processes, interleaved rounds, and the figures with their statistics."""
