"""Sequence classifiers in torch: opened from an artifact's folder, built, and saved; needs `packlight[compress]`."""
