"""The built web app, and the parts of the charts that the package brings already."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

import automl_vision.charts

STATIC = Path(__file__).parent / "static"
CHARTS = Path(automl_vision.charts.__file__).parent
_CHART_FILES = {
    "plotly.js": CHARTS / "plotly" / "plotly-cartesian.min.js",
    "dress.js": CHARTS / "dress.js",
}
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}  # the name of a built file holds its digest

router = APIRouter(include_in_schema=False)


@router.get("/assets/{name:path}")
def asset(name: str) -> Response:
    """A built file."""
    file = STATIC / "assets" / name
    if "/" in name or "\\" in name or not file.is_file():
        raise HTTPException(404, f"no file {name}")
    return FileResponse(file, media_type=_TYPES.get(file.suffix), headers=_FOREVER)


@router.get("/charts/{name:path}")
def chart_file(name: str) -> Response:
    """The script that draws charts, and the one that gives them their colours."""
    if name not in _CHART_FILES:
        raise HTTPException(404, f"no file {name}")
    return FileResponse(_CHART_FILES[name], media_type=_TYPES[".js"])


@router.get("/favicon.svg")
def icon() -> Response:
    """The icon of the browser's tab."""
    return FileResponse(STATIC / "favicon.svg", media_type=_TYPES[".svg"])


@router.get("/{page:path}")
def page(page: str, request: Request) -> Response:
    """The web app, at the address of any of its pages."""
    if page.startswith("api/"):
        raise HTTPException(404, f"the API has nothing at /{page}; it is described at /api/v1/docs")
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    root = request.scope.get("root_path", "").rstrip("/")
    return HTMLResponse(text.replace("./", f"{root}/").replace('content="/"', f'content="{root}/"'))
