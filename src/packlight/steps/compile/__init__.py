"""The step `compile`: its options, and how it is applied."""
