"""packlight: make transformer text classifiers small, fast and cheap enough to ship."""

__version__ = "0.1.0"
