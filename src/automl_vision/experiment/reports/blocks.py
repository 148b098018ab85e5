"""What a report is made of: sections of texts, tables, charts, pictures and code; plain values without layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from automl_vision.core.files import write_text
from automl_vision.core.late import load
from automl_vision.data.object import Object

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Block:
    """A part of a section.

    Attributes:
        MACRO: the macro of `blocks.html.j2` that draws it.
    """

    MACRO: ClassVar[str]


@dataclass(frozen=True)
class Sentences(Block):
    """Sentences, one per line."""

    MACRO = "sentences"

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table(Block):
    """A table.

    Attributes:
        columns: headings.
        rows: cells as texts.
        caption: a line below.
        marked: positions of the rows that stand out.
    """

    MACRO = "table"

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Chart(Block):
    """A Plotly figure.

    Attributes:
        name: such as "confusion".
        figure: without colours; its summary is in `layout.meta`.
    """

    MACRO = "chart"

    name: str
    figure: Figure


@dataclass(frozen=True)
class Shot:
    """An image with its truth and what a model says.

    Attributes:
        uri: of a thumbnail; None if the image cannot be shown.
        size: width and height of the image in pixels, which the objects refer to.
        name: of the image.
        truth, predicted: in words.
        true, found: objects, if the task has any; the second are drawn dashed.
        note: what else is to be said, such as that the label may be wrong.
    """

    uri: str | None
    size: tuple[int, int]
    name: str
    truth: str
    predicted: str
    true: tuple[Object, ...] = ()
    found: tuple[Object, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Gallery(Block):
    """Images side by side."""

    MACRO = "gallery"

    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Code(Block):
    """Something to copy.

    Attributes:
        title: what it does.
        text: the code.
    """

    MACRO = "code"

    title: str
    text: str


@dataclass(frozen=True)
class Markdown(Block):
    """A text in Markdown; HTML in it has no effect."""

    MACRO = "markdown"

    text: str


@dataclass(frozen=True)
class Section:
    """A part of a report under its own heading.

    Attributes:
        id: for links.
        title: the heading.
        blocks: in order.
        folded: whether the reader has to open it.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True)
class Report:
    """A page that works without a network, on a phone and on paper; a notebook shows it in a frame.

    Attributes:
        kicker: what kind of report it is.
        title: of what.
        facts: names and values, shown large.
        verdict: what it all says, in sentences.
        sections: in order.
    """

    kicker: str
    title: str
    facts: tuple[tuple[str, str], ...]
    verdict: tuple[str, ...]
    sections: tuple[Section, ...]

    def to_html(self) -> str:
        """The page as text."""
        return str(load("automl_vision.experiment.reports.page:render")(self))

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file, whole or not at all.

        Returns:
            The file.
        """
        write_text(Path(path), self.to_html())
        return Path(path)
