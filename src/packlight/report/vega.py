"""Render charts: from a Vega specification and its data to SVG or PNG.

The page draws its charts with the same library in the browser (`html/`). Here `vl-convert` runs it, without a browser
or a network. It includes the fonts, so a chart has the same bytes on every machine.
"""

import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from packlight.extras import load

PURPOSE = "plots"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""the first is built into vl-convert; the other two have the same letter widths, for viewers of the SVG"""


def chart(name: str) -> dict[str, Any]:
    """The specification `charts/<name>.json`."""
    text = files("packlight.report").joinpath("charts", f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def filled(
    specification: Mapping[str, Any], data: Mapping[str, Sequence[Mapping[str, Any]]], signals: Mapping[str, Any]
) -> dict[str, Any]:
    """A copy of a specification with its data sets and signals filled in by name."""
    sources = [
        {**each, "values": list(data[each["name"]])} if each["name"] in data else each for each in specification["data"]
    ]
    values = [
        {**each, "value": signals[each["name"]]} if each["name"] in signals else each
        for each in specification["signals"]
    ]
    return {**specification, "data": sources, "signals": values}


def log_ticks(values: Sequence[float]) -> list[float]:
    """Ticks for a logarithmic axis over these values: 1, 2, 5, 10, …, and more digits if few of these fit."""
    low, high = min(values, default=1.0), max(values, default=10.0)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in ((1, 2, 5), range(1, 10), [tenths / 10 for tenths in range(10, 100)]):
        found = [value for power in powers for digit in digits if low <= (value := float(f"{digit}e{power}")) <= high]
        if len(found) > 1:
            break
    return found


def svg(specification: Mapping[str, Any]) -> str:
    """Draw a chart as SVG, with its texts as text.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    drawn: str = load("vl_convert", PURPOSE).vega_to_svg(_with_font(specification))
    return drawn


def png(drawing: str, *, scale: float) -> bytes:
    """An SVG drawing as PNG with `scale` pixels for each of its units.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    drawn: bytes = load("vl_convert", PURPOSE).svg_to_png(drawing, scale=scale)
    return drawn


def text_sizes(texts: Sequence[tuple[str, float, str]]) -> list[tuple[float, float]]:
    """Width and height of each (text, font size, font weight) in a chart's units.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    rows = [{"text": text, "size": size, "weight": weight} for text, size, weight in texts]
    fields = {"text": {"field": "text"}, "fontSize": {"field": "size"}, "fontWeight": {"field": "weight"}}
    bounds = {"x": "x1", "x2": "x2", "y": "y1", "y2": "y2"}
    boxes = {side: {"field": f"bounds.{end}"} for side, end in bounds.items()}
    specification = {
        "$schema": "https://vega.github.io/schema/vega/v6.json",
        "width": 1,
        "height": 1,
        "data": [{"name": "texts", "values": rows}],
        "marks": [
            {"type": "text", "name": "written", "from": {"data": "texts"}, "encode": {"update": fields}},
            {"type": "rect", "name": "boxes", "from": {"data": "written"}, "encode": {"update": boxes}},
        ],
    }
    scene = load("vl_convert", PURPOSE).vega_to_scenegraph(_with_font(specification))["scenegraph"]
    (drawn,) = (mark["items"] for mark in scene["items"][0]["items"] if mark.get("name") == "boxes")
    return [(box["width"], box["height"]) for box in drawn]


def _with_font(specification: Mapping[str, Any]) -> dict[str, Any]:
    config = specification.get("config", {})
    given = {
        "axis": {"labelFont": FONT, "titleFont": FONT},
        "legend": {"labelFont": FONT, "titleFont": FONT},
        "title": {"font": FONT, "subtitleFont": FONT},
        "text": {"font": FONT},
    }
    return {
        **specification,
        "config": {**config, **{name: {**config.get(name, {}), **fonts} for name, fonts in given.items()}},
    }
