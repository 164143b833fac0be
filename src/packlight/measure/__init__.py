"""Measuring: worker processes, interleaved rounds, the figures that follow from them, and their statistics."""
