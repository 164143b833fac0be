"""What measurements say: summaries, comparisons, advice and capacity, as plain data."""
