"""The step `quantize-torch`: its options, and how it is applied."""
