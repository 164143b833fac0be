"""The step `export`: its options, and how it is applied."""
