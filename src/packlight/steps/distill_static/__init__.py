"""The step `distill-static`: its options, and how it is applied."""
