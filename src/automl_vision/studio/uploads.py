"""Files that come from the browser: written piece by piece below the workspace, within bounds."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from automl_vision.core.errors import DataError, StorageError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.text import visible
from automl_vision.storage.locations import ARCHIVE_SUFFIXES
from automl_vision.web.problems import NotFoundError

MOST_FILES = 1_000_000
MOST_AT_ONCE = 64 * 2**20  # bytes of a piece
_KEPT_FREE = 2**30  # bytes of the disk
_MOST_PARTS, _MOST_NAME = 24, 255
_FACTS = "upload.json"


@dataclass
class Upload:
    """Files that are coming or have come.

    Attributes:
        id: in addresses.
        folder: has the files under the names that the browser gave.
        bytes: written so far.
        files: written so far.
        name: of what was chosen, such as the folder's name.
    """

    id: str
    folder: Path
    bytes: int = 0
    files: int = 0
    name: str = ""


class Uploads:
    """The uploads of a workspace.

    Args:
        folder: has one folder for each.
        most_bytes: of one upload.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._open: dict[str, Upload] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, size: int, files: int) -> Upload:
        """Make room for files that will come.

        Args:
            name: of what was chosen.
            size: bytes of all files.
            files: how many will come.

        Raises:
            DataError: that is too much.
            StorageError: the disk has no room for it.
        """
        if files > MOST_FILES:
            raise DataError(f"at most {MOST_FILES:,} files can be uploaded at once, not {files:,}")
        self._require_room(size)
        upload = Upload(secrets.token_hex(8), Path(), name=visible(name)[:200])
        upload.folder = self.folder / upload.id / "files"
        upload.folder.mkdir(parents=True)
        write_json(self.folder / upload.id / _FACTS, {"name": upload.name})
        with self._lock:
            self._open[upload.id] = upload
        return upload

    def get(self, upload_id: str) -> Upload:
        """An upload by its id, also one that an earlier server received.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            if upload_id not in self._open:
                facts = self.folder / upload_id / _FACTS
                if not re.fullmatch("[0-9a-f]{16}", upload_id) or not facts.exists():
                    raise NotFoundError(f'no upload "{upload_id}" is known; choose the files again')
                folder = self.folder / upload_id / "files"
                sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
                name = str(read_json(facts)["name"])
                self._open[upload_id] = Upload(upload_id, folder, sum(sizes), len(sizes), name)
            return self._open[upload_id]

    async def write(self, upload: Upload, path: str, offset: int, pieces: AsyncIterator[bytes]) -> int:
        """Write a part of a file, and return how long the file is now.

        Args:
            upload: to which it belongs.
            path: of the file below the upload's folder, with forward slashes.
            offset: of its first byte in the file; 0 begins the file anew.
            pieces: its bytes, as they come.

        Raises:
            DataError: the path leads elsewhere, bytes before the offset are missing, or the upload is too large.
            StorageError: the disk is full.
        """
        file = upload.folder / checked_path(path)
        known = file.stat().st_size if file.exists() else 0
        if offset > known:
            raise DataError(f"{path} has {known:,} bytes so far; a part that begins at {offset:,} would leave a gap")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("r+b" if file.exists() else "w+b") as stream:
                stream.truncate(offset)
                stream.seek(offset)
                with self._lock:
                    upload.bytes -= known - offset
                    upload.files += not known
                received = 0
                async for piece in pieces:
                    received += len(piece)
                    if received > MOST_AT_ONCE:
                        raise DataError(f"a part of a file has at most {MOST_AT_ONCE:,} bytes")
                    with self._lock:
                        upload.bytes += len(piece)
                    self._require_room(upload.bytes, len(piece))
                    stream.write(piece)
                return offset + received
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise DataError(f"{path} is both a file and a folder in what was sent") from None
        except OSError as error:
            raise StorageError(f"{path} cannot be written ({error.strerror})") from error

    def remove(self, upload: Upload) -> None:
        """Delete the files of an upload."""
        with self._lock:
            self._open.pop(upload.id, None)
        shutil.rmtree(self.folder / upload.id, ignore_errors=True)

    def data_path(self, upload: Upload) -> Path:
        """What to open: the one archive or folder that came, or the folder with all files.

        Raises:
            DataError: nothing came.
        """
        entries = list(upload.folder.iterdir())
        if not entries:
            raise DataError("no file was received; choose a folder, an archive or images with their labels")
        only = entries[0] if len(entries) == 1 else None
        if only is not None and (only.is_dir() or only.name.lower().endswith(ARCHIVE_SUFFIXES)):
            return only
        return upload.folder

    def _require_room(self, size: int, coming: int | None = None) -> None:
        if size > self.most_bytes:
            raise DataError(
                f"an upload has at most {self.most_bytes / 2**30:g} GB, this one has {size / 2**30:.1f} GB or more; "
                "copy the data to this machine and add it by its path, or start the studio with --max-upload-gb"
            )
        place = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        free = shutil.disk_usage(place).free
        if (size if coming is None else coming) > free - _KEPT_FREE:
            raise StorageError(f"the disk has {free / 2**30:.1f} GB left, which is too little for this upload")


def checked_path(path: str) -> PurePosixPath:
    """A file's path that stays below any folder.

    Raises:
        DataError: it is absolute, leads upwards, or has parts that no file system should see.
    """
    parts = unicodedata.normalize("NFC", path).replace("\\", "/").split("/")
    bad = next((part for part in parts if part in ("", ".", "..") or re.search(r"[\x00-\x1f\x7f]", part)), None)
    if bad is not None or os.path.isabs(path) or re.match("^[A-Za-z]:", path):  # noqa: PTH117 - it is only a text
        raise DataError(f"{path!a} is not the path of a file inside of what was chosen")
    if len(parts) > _MOST_PARTS or any(len(part.encode()) > _MOST_NAME for part in parts):
        raise DataError(f"the path {ascii(path)[:80]} is too long")
    return PurePosixPath(*parts)
