"""The step `prune`: its options, and how it is applied."""
