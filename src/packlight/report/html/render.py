"""Render plain data to one self-contained HTML file.

Labels, texts and file names can come from anyone. They reach the page in two ways: through the template, which escapes
them, and as JSON inside a script element, where characters that could end the element are escaped. The page's policy
lets the browser run only the scripts whose hashes it lists, and load nothing. So even a mistake in the escaping would
not run foreign code.
"""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from packlight import __version__, formatting
from packlight.extras import load
from packlight.report import roofline, spent, threads
from packlight.report.html.page import Page
from packlight.report.html.table import COLUMNS
from packlight.report.table import MARKS

PURPOSE = "report.html"
HERE = files("packlight.report.html")
SCRIPTS = ("figures", "pick", "queue", "charts", "palette", "explorer", "calculator", "table", "roofline", "start")
"""the page's own scripts, in the order of their dependencies"""
CHARTS = ("bubbles", "latency", "accuracy", "scope", "coverage", "learning", "lineage", "roofline")
VEGA_LITE = "6.4"
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_html(page: Page) -> str:
    """Render the page. The same data always gives the same text.

    Raises:
        MissingExtraError: if the template engine or the plotting library is not installed.
    """
    jinja2 = load("jinja2", PURPOSE)
    scripts = [plotting_library(), _own_script()]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text("templates", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(formatting, name) for name in figures_for_templates()})
    rendered: str = environment.get_template("page.html.j2").render(
        page=page,
        columns=COLUMNS,
        marks=MARKS,
        roofline=roofline,
        spent=spent,
        threads=threads,
        version=__version__,
        policy=policy(scripts),
        style=_safe(jinja2, _text("assets", "page.css")),
        scripts=[_safe(jinja2, script) for script in scripts],
        data=_safe(jinja2, as_json({"page": msgspec.to_builtins(page), "charts": _charts()})),
    )
    return rendered


def figures_for_templates() -> tuple[str, ...]:
    """Number formats for templates."""
    return (
        "digits",
        "milliseconds",
        "megabytes",
        "percent",
        "percent_interval",
        "points",
        "times",
        "times_interval",
        "p_value",
    )


def as_json(value: Any) -> str:
    """Equivalent JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return "".join(ESCAPES.get(sign, sign) for sign in text)


def policy(scripts: list[str]) -> str:
    """A Content-Security-Policy that allows these scripts and the page's own styles, and nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@cache
def plotting_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    bundle: str = load("vl_convert", PURPOSE).javascript_bundle(vl_version=VEGA_LITE)
    return f'"use strict";(() => {{{bundle}}})();\n'


def _own_script() -> str:
    parts = [_text("assets", f"{name}.js") for name in SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def _charts() -> dict[str, Any]:
    return {name: json.loads(_text("charts", f"{name}.json")) for name in CHARTS}


def _text(folder: str, name: str) -> str:
    return HERE.joinpath(folder, name).read_text(encoding="utf-8")


def _safe(jinja2: Any, text: str) -> Any:
    """Text from the package itself, or already escaped, that the template does not escape."""
    return jinja2.utils.markupsafe.Markup(text)
