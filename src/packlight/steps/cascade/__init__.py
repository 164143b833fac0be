"""The step `cascade`: its options, and how it is applied."""
