"""Zip and tar archives, read in place: nothing is ever unpacked by its name."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import threading
import zipfile
import zlib
from abc import abstractmethod
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.files import atomic_path
from automl_vision.storage.cache_folder import cache_folder
from automl_vision.storage.locations import INSIDE, MAX_IMAGE_BYTES, Storage, check_size, is_hidden

_CHUNK = 2**22
_MOST_UNPACKED, _MOST_RATIO = 2**26, 200  # JSON packs to a tenth or twentieth, zeros to a thousandth
_UTF8_MARK = 0x800  # of a member's flags
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, RuntimeError, NotImplementedError, ValueError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip


@lru_cache(maxsize=16)
def open_archive(path: str, folder: str, size: int, modified: int) -> Storage:
    """An archive; a changed file is another archive."""
    try:
        if zipfile.is_zipfile(path):
            return ZipArchive(path, folder)
        return TarArchive(path, folder, key=f"{path}\n{size}\n{modified}")
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an archive ({error})") from error


class Archive(Storage):
    """Members of an archive by their paths below one of its folders; nothing is ever unpacked by its name.

    Args:
        path: of the archive.
        folder: in it, or empty.
        names: the members' own names by the names to show.
    """

    def __init__(self, path: str, folder: str, names: dict[str, str]) -> None:
        super().__init__(f"{path}{INSIDE}{folder}" if folder else path)
        self.members: dict[str, str] = {}
        prefix = f"{folder}/" if folder else ""
        for shown, name in names.items():
            path_inside = shown.replace("\\", "/")
            if ".." in path_inside.split("/") or path_inside.startswith("/"):
                self.skipped[ascii(name)] = "the member's path leads outside of the archive"
            elif path_inside.startswith(prefix):
                self.members[path_inside.removeprefix(prefix)] = name

    @cached_property
    def files(self) -> list[str]:
        """All members but hidden ones."""
        return sorted(path for path in self.members if not is_hidden(path))

    def _stated(self, path: str) -> str:
        if path not in self.members:
            raise ImageError("the file is missing")
        return self._check_value(path)

    @abstractmethod
    def _check_value(self, path: str) -> str:
        """What changes with a member's contents."""


class ZipArchive(Archive):
    """A zip file."""

    def __init__(self, path: str, folder: str) -> None:
        self._zip = zipfile.ZipFile(path)
        self._pid, self._path, self._lock = os.getpid(), path, threading.Lock()
        members = (info for info in self._zip.infolist() if not info.is_dir())
        super().__init__(path, folder, {_shown_name(info): info.filename for info in members})

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a member."""
        if path not in self.members:
            raise FileNotFoundError(path)
        with self._lock:  # a forked process may not share the file's position
            if os.getpid() != self._pid:
                self._zip, self._pid = zipfile.ZipFile(self._path), os.getpid()
        info = self._zip.getinfo(self.members[path])
        check_size(info.file_size, limit)
        if info.file_size > _MOST_UNPACKED and info.file_size > _MOST_RATIO * max(info.compress_size, 1):
            raise OSError(f"the file would unpack to {info.file_size / max(info.compress_size, 1):,.0f} times its size")
        if info.flag_bits & 1:
            raise OSError("the file is encrypted; unpack the archive with its password first")
        try:
            with self._zip.open(info) as member:
                data = member.read(limit + 1)
        except _BROKEN as error:
            raise OSError(f"the archive's member is broken: {error}") from error
        check_size(len(data), limit)
        return data

    def _check_value(self, path: str) -> str:
        info = self._zip.getinfo(self.members[path])
        return f"{path}\n{info.file_size}\n{info.CRC}"


def _shown_name(info: zipfile.ZipInfo) -> str:
    """A member's name; without the mark for UTF-8 it is often UTF-8 all the same, as from a Macintosh."""
    if info.flag_bits & _UTF8_MARK or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


class TarArchive(Archive):
    """A tar file; a compressed one is decompressed once into the cache, for it allows no access at random."""

    def __init__(self, path: str, folder: str, *, key: str) -> None:
        self._file = _decompressed(path, key)
        with tarfile.open(self._file, "r:") as tar:
            members = list(tar)
        places = {m.name.removeprefix("./"): (m.offset_data, m.size) for m in members if m.isreg() and not m.issparse()}
        self._places = places
        super().__init__(path, folder, {name: name for name in places})
        strange = [m.name for m in members if not (m.isreg() or m.isdir()) or m.issparse()]
        self.skipped |= dict.fromkeys(map(ascii, strange), "the member is a link, a device or a sparse file")

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a member."""
        if path not in self.members:
            raise FileNotFoundError(path)
        start, size = self._places[self.members[path]]
        check_size(size, limit)
        with self._file.open("rb") as file:
            file.seek(start)
            return file.read(size)

    def _check_value(self, path: str) -> str:
        return f"{self.root}\n{path}\n{self._places[self.members[path]]}"


def _decompressed(path: str, key: str) -> Path:
    """An uncompressed tar with the contents of a tar file: the file itself, or a copy in the cache.

    Raises:
        OSError: it would fill more than half of the disk's free space.
    """
    if tarfile.is_tarfile(path):
        try:
            with tarfile.open(path, "r:"):
                return Path(path)
        except tarfile.ReadError:
            pass
    target = cache_folder() / "archives" / f"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    left = shutil.disk_usage(target.parent).free // 2
    with atomic_path(target) as temporary, _decompressing(path) as stream, temporary.open("wb") as copy:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise OSError("unpacked, it would take more than half of the free disk space")
            copy.write(chunk)
    return target


def _decompressing(path: str) -> IO[bytes] | gzip.GzipFile:
    """The compressed file, opened so that reading decompresses."""
    import bz2

    with Path(path).open("rb") as file:
        start = file.read(2)
    if start == b"\x1f\x8b":
        return gzip.open(path)
    if start == b"BZ":
        return bz2.BZ2File(path)
    if start == b"\xfd7":
        return lzma.LZMAFile(path)
    raise tarfile.ReadError("neither a tar file nor a compressed one (gzip, bzip2, xz)")
