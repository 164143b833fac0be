"""Common names of columns in data sets."""

import re

# In order of preference.
TEXT_NAMES = ("text", "utterance", "query", "sentence", "question", "message", "phrase", "request", "input", "content")
LABEL_NAMES = (
    "intent",
    "label_text",
    "label_name",
    "intent_name",
    "class_name",
    "label",
    "category",
    "class",
    "target",
    "topic",
    "tag",
    "labels",
    "intents",
)
PASSED_OVER = frozenset({"", "id", "idx", "index", "unnamed_0", "split"})


def plain(name: str) -> str:
    """A column's name without case, punctuation and surrounding spaces: `intent_name` for `Intent Name`."""
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")
