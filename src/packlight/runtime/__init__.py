"""Run an artifact without PyTorch: tokenization, engines, decisions."""
