"""A zip archive that is sent while it is made, so that neither memory nor disk holds it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK = 2**18


class _Sink:
    """A file that is only written to, and emptied after each piece; it cannot seek, so zipfile writes descriptors."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing: what was written is taken by `taken`."""

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def zip_stream(members: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """The bytes of a zip archive, piece by piece; its members are not compressed, for images and weights do not pack.

    Args:
        members: names in the archive with files, or with contents.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for name, content in members:
            if isinstance(content, bytes):
                archive.writestr(name, content)
                yield sink.taken()
                continue
            entry = zipfile.ZipInfo.from_file(content, name, strict_timestamps=False)
            with archive.open(entry, "w", force_zip64=True) as member, content.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    member.write(chunk)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def folder_members(folder: Path, top: str) -> list[tuple[str, Path | bytes]]:
    """The files of a folder and of those below it, by their names below a top folder; links are left out.

    Args:
        folder: to pack.
        top: name of the folder in the archive.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return [(f"{top}/{file.relative_to(folder).as_posix()}", file) for file in files]
