"""A report as one HTML file: styles, scripts, figures and pictures are all in it."""

from __future__ import annotations

import json
import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from automl_vision.charts.look import look
from automl_vision.charts.page import bundle, dress, in_script, variables
from automl_vision.core.text import visible
from automl_vision.experiment.reports.blocks import Block, Chart, Report

_NUMBER = re.compile(r"[-+]?[\d.,]+( ?%| s| ms| MB)?( \[.*\])?|nan.*|")


def render(report: Report) -> str:
    """The HTML of a report."""
    blocks = [block for section in report.sections for block in section.blocks]
    figures = {block.name: block.figure for block in blocks if isinstance(block, Chart)}
    listed = ",".join(f"{json.dumps(name)}:{figure.to_json()}" for name, figure in figures.items())
    page = _environment().get_template("page.html.j2")
    return page.render(
        report=report,
        variables=Markup(variables()),
        look=Markup(in_script(json.dumps(look()))),
        figures=Markup(in_script(f"{{{listed}}}")),
        scripts=[Markup(bundle()), Markup(dress())] if figures else [],
    )


@cache
def _environment() -> Environment:
    """The templates, which escape whatever they are given and make control characters visible."""
    environment = Environment(
        loader=PackageLoader("automl_vision.experiment.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = from_markdown
    environment.tests["number"] = lambda text: _NUMBER.fullmatch(text) is not None
    macros = environment.get_template("blocks.html.j2").module

    def draw(block: Block) -> Markup:
        return Markup(getattr(macros, block.MACRO)(block))

    environment.globals["draw"] = draw
    return environment


def _finalized(value: object) -> object:
    """What a template writes for a value."""
    return visible(value) if type(value) is str else value  # Markup is another type, and ready


def from_markdown(text: str) -> Markup:
    """HTML of a text in Markdown; markup in it is shown as text, and pictures, which a page would fetch, as links."""
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(text))
