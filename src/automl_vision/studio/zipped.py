"""Downloads of several files as one zip archive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fastapi.responses import StreamingResponse

from automl_vision.storage.zip_stream import zip_stream


def zip_response(members: Iterable[tuple[str, Path | bytes]], name: str) -> StreamingResponse:
    """An answer that is sent while the archive is made.

    Args:
        members: names in the archive with files, or with contents.
        name: of the archive without its suffix; letters that a header cannot hold become underscores.
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    headers = {"Content-Disposition": f'attachment; filename="{plain}.zip"'}
    return StreamingResponse(zip_stream(members), media_type="application/zip", headers=headers)
