"""Figures as files: HTML that opens without a network, and SVG where a browser can draw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_vision.charts.look import Mode, dressed
from automl_vision.charts.page import page
from automl_vision.core.files import atomic_path

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SVG_WIDTH = 1000  # pixels


@dataclass(frozen=True)
class FigureFiles:
    """What was written.

    Attributes:
        paths: of the files.
        without_svg: why there are no SVG files; empty if there are.
    """

    paths: tuple[Path, ...]
    without_svg: str = ""


def write_figures(figures: Mapping[str, Figure], folder: Path, *, mode: Mode = "light") -> FigureFiles:
    """Write each figure as `NAME.html`, and as `NAME.svg` where kaleido and a Chrome or Chromium are installed.

    Args:
        figures: bare, by name.
        folder: made if need be; files of the same names are replaced.
        mode: colours of the SVG files; the pages follow their reader's system.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.html")
        with atomic_path(paths[-1]) as temporary:
            temporary.write_text(page(figure), encoding="utf-8")
    svg = {folder / f"{name}.svg": dressed(figure, mode) for name, figure in figures.items()}
    reason = _write_svg(svg)
    return FigureFiles((*paths, *(() if reason else svg)), reason)


def _write_svg(figures: Mapping[Path, Figure]) -> str:
    """Write SVG files; return why they cannot be written, or an empty text."""
    try:
        import kaleido
        from choreographer.errors import BrowserFailedError, ChromeNotFoundError
    except ImportError:
        return 'SVG needs kaleido: pip install "automl-vision[svg]"'
    jobs = [
        {"fig": figure, "path": path, "opts": {"format": "svg", "width": _SVG_WIDTH, "height": figure.layout.height}}
        for path, figure in figures.items()
    ]
    try:
        # without MathJax, which kaleido would load from the network
        kaleido.write_fig_from_object_sync(jobs, cancel_on_error=True, kopts={"mathjax": False})
    except (ChromeNotFoundError, BrowserFailedError) as error:
        return f"SVG needs a Chrome or Chromium that starts: {str(error).strip().splitlines()[0]}"
    return ""
