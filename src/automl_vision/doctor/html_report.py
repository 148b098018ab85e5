"""The report as a single self-contained HTML file; it follows the reader's light or dark mode and screen size."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape as html_escape
from importlib.resources import files

from automl_vision.core.text import visible
from automl_vision.doctor.findings import ACTIONS, SEVERITIES, Example, Finding, Outline, Picture
from automl_vision.doctor.report import DataReport
from automl_vision.doctor.thumbnails import thumbnails

_NOTEBOOK_EXAMPLES = 4  # of a finding, so that a notebook stays small
_MEANING = {
    "error": "cannot be used as it is",
    "warning": "probably hurts the model",
    "hint": "to review",
}


def escape(text: str) -> str:
    """A text for the page; markup and control characters in it have no effect."""
    return html_escape(visible(text))


def whole_page(report: DataReport) -> str:
    """A complete HTML file."""
    title = f"Data report: {escape(report.root.rstrip('/').rpartition('/')[2])}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title></head>\n<body class=doctor-page>{_content(report, None)}</body></html>\n"
    )


def fragment(report: DataReport) -> str:
    """The report for a notebook's cell, with fewer examples."""
    return _content(report, _NOTEBOOK_EXAMPLES)


def _content(report: DataReport, max_examples: int | None) -> str:
    shown = [picture.image for f in report.findings for e in f.examples[:max_examples] for picture in e.pictures]
    small = thumbnails(report.root, shown, value_range=report.value_range)
    style = files("automl_vision.doctor").joinpath("html_report.css").read_text(encoding="utf-8")
    parts = [f"<style>{style}</style>", "<div class=doctor>", _header(report), _overview(report)]
    parts += [_finding(finding, small, max_examples) for finding in report.findings]
    parts += [_footer(report), "</div>"]
    return "\n".join(parts)


def _header(report: DataReport) -> str:
    counts = report.counts
    facts = [("images", f"{counts.get('images', 0):,}"), ("classes", f"{counts.get('classes', 0):,}")]
    if "objects" in counts:
        facts.insert(1, ("objects", f"{counts['objects']:,}"))
    facts += [(str(split), f"{n:,}") for split, n in counts.get("splits", {}).items()]
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f"<header><p class=kicker>Data report &middot; {escape(str(counts.get('task', '')))}</p>"
        f"<h1>{escape(report.root.rstrip('/').rpartition('/')[2])}</h1>"
        f"<p class=root>{escape(report.root)}</p><dl class=facts>{items}</dl></header>"
    )


def _overview(report: DataReport) -> str:
    tiles = []
    for severity in SEVERITIES:
        n = sum(finding.severity == severity for finding in report.findings)
        noun = severity if n == 1 else f"{severity}s"
        quiet = "" if n else " quiet"
        words = f"<b>{n}</b><span>{noun}</span><small>{_MEANING[severity]}</small>"
        tiles.append(f'<div class="tile {severity}{quiet}">{words}</div>')
    rows = "".join(
        f'<li class={f.severity}><a href="#{escape(f.check)}"><i></i><span>{escape(f.summary)}</span></a>'
        f"<em>{escape(f.action if f.action != 'none' else 'look')}</em></li>"
        for f in report.findings
    )
    found = f"<ul class=toc>{rows}</ul>" if rows else "<p class=fine>Nothing was found: the data looks fine.</p>"
    return f"<section class=tiles>{''.join(tiles)}</section>{found}"


def _finding(finding: Finding, small: Mapping[str, str], max_examples: int | None) -> str:
    examples = finding.examples[:max_examples]
    with_pictures = [example for example in examples if example.pictures]
    paired = " pairs" if len(finding.partners) else ""
    cases = "".join(_case(example, small) for example in with_pictures)
    grid = f'<div class="cases{paired}">{cases}</div>' if cases else ""
    texts = "".join(f"<li>{escape(example.note)}</li>" for example in examples if not example.pictures)
    listed = f"<ul class=notes>{texts}</ul>" if texts else ""
    more = finding.count - len(examples)
    rest = f'<p class=more>and {more:,} more in <code>report["{finding.check}"]</code></p>' if more > 0 else ""
    others = [f"<code>{escape(action)}</code>" for action in finding.actions[1:] if action != "none"]
    if finding.action == "none":
        proposal = "Nothing is changed by default"
    else:
        proposal = f"Proposed: <code>{escape(finding.action)}</code>, {ACTIONS[finding.action]}"
    proposal += f". Also possible: {', '.join(others)}." if others else "."
    return (
        f'<article class={finding.severity} id="{escape(finding.check)}"><div class=head>'
        f"<span class=pill>{finding.severity}</span><h2>{escape(finding.title)}</h2><code>{finding.check}</code></div>"
        f"<p class=summary>{escape(finding.summary)}.</p><p class=advice>{escape(finding.advice)}</p>"
        f"{grid}{listed}{rest}<p class=proposal>{proposal}</p></article>"
    )


def _case(example: Example, small: Mapping[str, str]) -> str:
    pictures = "".join(_picture(picture, small) for picture in example.pictures)
    note = f"<figcaption>{escape(example.note)}</figcaption>" if example.note else ""
    return f"<figure>{pictures}{note}</figure>"


def _picture(picture: Picture, small: Mapping[str, str]) -> str:
    uri = small.get(picture.image)
    name = escape(picture.image.rpartition("/")[2])
    width, height = max(picture.width, 1), max(picture.height, 1)
    if uri is None:
        body = "<div class=gone>cannot be shown</div>"
    else:
        outlines = "".join(map(_outline, picture.outlines))
        body = (
            f'<svg viewBox="0 0 {width} {height}" role=img aria-label="{name}">'
            f'<image href="{uri}" width="{width}" height="{height}" preserveAspectRatio="none"/>{outlines}</svg>'
        )
    facts = " &middot; ".join(escape(text) for text in (picture.split, ", ".join(picture.labels)) if text)
    return (
        f'<div class=picture title="{escape(picture.image)}">{body}'
        f"<span class=name>{name}</span>{f'<span class=labels>{facts}</span>' if facts else ''}</div>"
    )


def _outline(outline: Outline) -> str:
    x1, y1, x2, y2 = outline.bbox
    mark = " class=marked" if outline.marked else ""
    shapes = [
        f'<polygon points="{" ".join(f"{x:g},{y:g}" for x, y in zip(s[::2], s[1::2], strict=True))}"/>'
        for s in outline.segments
    ]
    shapes.append(f'<rect x="{x1:g}" y="{y1:g}" width="{max(x2 - x1, 0):g}" height="{max(y2 - y1, 0):g}"/>')
    return f"<g{mark}><title>{escape(outline.label)}</title>{''.join(shapes)}</g>"


def _footer(report: DataReport) -> str:
    passed = ", ".join(f"<code>{escape(check)}</code>" for check in report.passed) or "none"
    skipped = "".join(f"<li><code>{escape(c)}</code> {escape(reason)}</li>" for c, reason in report.skipped.items())
    left = f"<h3>Did not run</h3><ul>{skipped}</ul>" if skipped else ""
    return f"<footer><h3>Found nothing</h3><p>{passed}</p>{left}</footer>"
