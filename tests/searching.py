"""A search space as that of MiniLM on a small data set; import what you need."""

from packlight.search.space import Space

SPACE = Space(
    layers=6,
    neurons=1536,
    heads=12,
    narrowed=True,
    pieces=2000,
    vocabulary=30000,
    words=3000,
    epochs=(5, 10),
    calibrated=False,
    max_length=64,
)
