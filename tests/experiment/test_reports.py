"""Reports as pages: nothing from outside, nothing that a name can inject, every block where it belongs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from plotly.graph_objects import Figure

from automl_vision.data.object import Object
from automl_vision.experiment.reports.blocks import (
    Chart,
    Code,
    Gallery,
    Markdown,
    Report,
    Section,
    Sentences,
    Shot,
    Table,
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.found)


def page_of(name: str) -> str:
    """A report with every kind of block, in which all texts are the name."""
    figure = Figure({"data": [{"type": "scatter", "y": [1, 2], "name": name, "meta": {"role": "series-1"}}]})
    figure.update_layout(title={"text": name}, meta={"summary": name})
    objects = (
        Object(label=name, bbox=(1.0, 2.0, 5.0, 6.0)),
        Object(label=name, segments=((0.0, 0.0, 4.0, 0.0, 4.0, 4.0),)),
    )
    shot = Shot("data:image/jpeg;base64,AAAA", (8, 8), name, name, name, objects, objects[:1], name)
    blocks = (
        Sentences((name,)),
        Table([name, "n"], [[name, "0.5 [0.4, 0.6]"]], name, frozenset({0})),
        Chart(name, figure),
        Gallery((shot, Shot(None, (8, 8), name, name, name))),
        Code(name, name),
        Markdown(f"{name}\n\n| a | b |\n| --- | --- |\n| {name} | 2 |"),
    )
    sections = (Section("one", name, blocks), Section("two", name, (Sentences((name,)),), folded=True))
    return Report(name, name, ((name, name),), (name,), sections).to_html()


def test_names_from_outside_stay_texts():
    plain, hostile = Tags(page_of("a name")), Tags(page_of(HOSTILE))
    tags = [tag for tag, _ in plain.found if tag != "p"]  # Markdown decides where its paragraphs begin
    assert [tag for tag, _ in hostile.found if tag != "p"] == tags
    assert hostile.count("img") == 0
    assert not any(name.startswith("on") for _, attributes in hostile.found for name in attributes)


def test_a_page_holds_all_it_needs():
    page = Tags(page_of("a name"))
    for tag, attributes in page.found:
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name) or ""
            assert target.startswith(("#", "data:")) or not target, (tag, target)
    assert "url(" not in re.sub(r"<script>.*?</script>", "", page_of("a name"), flags=re.DOTALL)


def test_each_block_is_drawn():
    page = Tags(page_of("a name"))
    assert page.count("polygon") == 1
    assert page.count("rect") == 2
    assert [attributes["data-figure"] for _, attributes in page.found if "data-figure" in attributes] == ["a name"]
    assert page.count("details") == 1
    assert page.count("table") == 2
    assert [attributes.get("class") for tag, attributes in page.found if tag == "td"][:2] == [None, "number"]
    assert "cannot be read any more" in page_of("a name")
