"""Running an artifact: tokenization, engines, decisions, without torch."""
