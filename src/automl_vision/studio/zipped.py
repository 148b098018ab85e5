"""A folder as a zip file that is sent while it is written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from fastapi.responses import StreamingResponse

_PART = 1 << 20  # bytes


class _Outlet(io.RawIOBase):
    """A file that cannot be sought; what is written to it is taken away in parts."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = memoryview(data).tobytes()  # type: ignore[arg-type]  # the buffer protocol has no type before 3.12
        self._written += part
        return len(part)

    def take(self) -> bytes:
        """What was written since the last call."""
        part = bytes(self._written)
        self._written.clear()
        return part


def zip_parts(folder: Path) -> Iterator[bytes]:
    """The parts of a zip file with all files of a folder below the folder's name, without compressing them.

    Weights do not get smaller, and the memory needed is that of one part.
    """
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
            with file.open("rb") as source, archive.open(zipfile.ZipInfo.from_file(file, name), "w") as target:
                while part := source.read(_PART):
                    target.write(part)
                    yield outlet.take()
    yield outlet.take()


def zip_response(folder: Path, name: str) -> StreamingResponse:
    """A download of a folder.

    Args:
        folder: with the files.
        name: of the zip file.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(zip_parts(folder), media_type="application/zip", headers=headers)
