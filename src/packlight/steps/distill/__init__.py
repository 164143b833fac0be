"""The step `distill`: its options, and how it is applied."""
