"""Search for a recipe: propose designs, build them, measure them on `val`, and keep the best trade-offs.

A search has several objectives (accuracy, latency and size), a limit on each, and a time budget. It resumes when
started again, and several processes can share it.
"""

from packlight.search.rows import Row, SearchOutcome
from packlight.search.runner import search
from packlight.search.space import FAMILIES, Design, Family, Space

__all__ = ["FAMILIES", "Design", "Family", "Row", "SearchOutcome", "Space", "search"]
