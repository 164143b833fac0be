"""The step `calibrate`: its options, and how it is applied."""
