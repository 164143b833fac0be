"""The step `trim-vocabulary`: its options, and how it is applied."""
