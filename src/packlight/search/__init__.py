"""Searching for a recipe: designs are proposed, made, measured on `val`, and the best trade-offs kept.

A search is of several objectives, accuracy, latency and size, under limits on each and a budget of time. It resumes when it is started again, and several processes may share one.
"""

from packlight.search.rows import Row, SearchOutcome
from packlight.search.runner import search
from packlight.search.space import FAMILIES, Design, Family, Space

__all__ = ["FAMILIES", "Design", "Family", "Row", "SearchOutcome", "Space", "search"]
