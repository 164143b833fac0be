"""Measuring variants fairly: each in a process of its own, all of them in the same interleaved rounds."""
