"""A recommendation as text: for the terminal and in Markdown."""

import textwrap

from packlight.analysis.recommend.playbook import Recommendation


def render_text(advice: Recommendation, *, width: int | None = None) -> str:
    """The recommendation for a terminal. With a width, long lines are wrapped with a hanging indent."""
    lines = [_headline(advice), *(f"  {reason}" for reason in _reasons(advice))]
    if advice.cautions:
        lines += ["", "Cautions", *(f"  ! {caution}" for caution in advice.cautions)]
    if advice.runners_up:
        lines += ["", "Not picked", *(f"  {other.variant}: {other.why_not}" for other in advice.runners_up)]
    if advice.nearest:
        lines += ["", "Nearest", *(f"  {variant}: {words}" for variant, words in _nearest(advice))]
    if width is not None:
        lines = [part for line in lines for part in _wrapped(line, width)]
    return "\n".join(lines) + "\n"


def render_markdown(advice: Recommendation) -> str:
    """The recommendation in Markdown."""
    lines = [f"**{_headline(advice)}**", "", *(f"- {reason}" for reason in _reasons(advice))]
    if advice.cautions:
        lines += ["", "Cautions:", "", *(f"- {caution}" for caution in advice.cautions)]
    if advice.runners_up:
        lines += ["", "Not picked:", "", *(f"- `{other.variant}`: {other.why_not}" for other in advice.runners_up)]
    if advice.nearest:
        lines += ["", "Nearest:", "", *(f"- `{variant}`: {words}" for variant, words in _nearest(advice))]
    return "\n".join(lines) + "\n"


def _wrapped(line: str, width: int) -> list[str]:
    indent = "    " if line.startswith("  ") else ""
    # names of variants contain hyphens and must not be broken
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _headline(advice: Recommendation) -> str:
    return f"Ship {advice.pick}" if advice.pick else "No variant is within the limits"


def _reasons(advice: Recommendation) -> list[str]:
    return [*([advice.confirmation] if advice.confirmation else []), *advice.reasons]


def _nearest(advice: Recommendation) -> list[tuple[str, str]]:
    return [(near.variant, "; ".join(miss.words for miss in near.misses)) for near in advice.nearest]
