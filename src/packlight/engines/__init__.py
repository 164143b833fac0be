"""Engines: an artifact opened on one runtime, texts in and logits out."""
