"""Where the bytes of a data set lie: a folder, a zip or tar archive, or any location that fsspec knows."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import threading
import zipfile
from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Protocol

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.files import atomic_path
from automl_vision.data.names import SPLIT_NAMES
from automl_vision.data.remote import REMOTE_PROTOCOLS, RemoteFolder, cache_folder, fetch, is_url, redacted

MAX_IMAGE_BYTES = 2**29  # 512 MiB; read no further, for an archive's member may unpack to anything
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_INSIDE = "!/"  # between an archive's path and a folder in it
_OUTSIDE = "leads outside of the data's folder; open the data with allow_outside=True if that is meant"
_CHUNK = 2**22


class Storage(Protocol):
    """Files below one root; paths are relative to it, with forward slashes."""

    root: str
    skipped: dict[str, str]

    @property
    def files(self) -> list[str]:
        """All files but hidden ones, sorted; `skipped` then gives the reason of each place that was not entered."""
        ...

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: it is missing, cannot be read, or is longer than `limit`.
        """
        ...

    def resolve(self, path: str, *, allow_outside: bool = False) -> str:
        """What the manifest keeps for a path: relative to the root where that is possible.

        Raises:
            ImageError: the path leads outside of the root, which only `allow_outside` permits.
        """
        ...

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:
        """What changes with a file's contents and is known without reading it; None when it must be read.

        Args:
            path: as `resolve` gave it.
            stat_only: take the file's size and time where its contents would be better.

        Raises:
            ImageError: the file is missing.
        """
        ...


def open_storage(root: str, *, allow_outside: bool = False) -> Storage:
    """The storage of a manifest's root.

    Args:
        root: folder, archive (a folder in it after `!/`), or URL.
        allow_outside: whether links may lead outside of a folder.

    Raises:
        DataError: an archive cannot be read, or a URL's protocol is unknown.
    """
    if is_url(root):
        return RemoteFolder.open(root)
    archive, _, folder = root.partition(_INSIDE)
    if archive.lower().endswith(ARCHIVE_SUFFIXES) and Path(archive).is_file():
        facts = Path(archive).stat()
        return _open_archive(archive, folder, facts.st_size, facts.st_mtime_ns)
    return LocalFolder(root, allow_outside=allow_outside)


def read_image_bytes(root: str, image: str) -> bytes:
    """The bytes of a manifest's image.

    Args:
        root: the root that relative images start from.
        image: path relative to `root`, absolute path, or URL.

    Raises:
        ImageError: the image is missing or cannot be read.
    """
    try:
        if is_url(image):
            return fetch(image, MAX_IMAGE_BYTES)
        archive, inside, member = image.partition(_INSIDE)
        if inside and archive.startswith("/"):
            return _storage_of(archive).read(member)
        return _storage_of(root).read(image)
    except FileNotFoundError:
        raise ImageError("the file is missing") from None
    except IsADirectoryError:
        raise ImageError("the path is a folder, not an image") from None
    except (OSError, DataError) as error:
        noun = "URL" if is_url(image) else "file"
        raise ImageError(f"the {noun} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    except ValueError as error:  # an embedded null byte
        raise ImageError(f"the path cannot be read ({error})") from error


def full_reference(root: str, image: str) -> str:
    """A manifest's image as one text that needs no root: a URL, an absolute path, or a member of an archive."""
    if is_url(image) or image.startswith("/"):
        return image
    is_archive = _INSIDE not in root and root.lower().endswith(ARCHIVE_SUFFIXES) and Path(root).is_file()
    return f"{root}{_INSIDE if is_archive else '/'}{image}"


@lru_cache(maxsize=16)
def _storage_of(root: str) -> Storage:
    return open_storage(root)


def _check_url(image: str, allow_outside: bool) -> str:
    """A URL, when its protocol cannot lead to this machine's files.

    Raises:
        ImageError: it may.
    """
    protocol = image.partition("://")[0]
    if allow_outside or protocol.lower() in REMOTE_PROTOCOLS:
        return image
    raise ImageError(f"a {protocol}:// URL {_OUTSIDE.replace('leads', 'may lead')}")


def is_hidden(path: str) -> bool:
    """Whether a path leads through a hidden folder, or one that only an operating system needs."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, root: str, *, allow_outside: bool = False) -> None:
        self.root = root
        self.skipped: dict[str, str] = {}
        self._allow_outside = allow_outside
        self._real = os.path.realpath(root)
        self._outside_files: set[str] = set()

    @cached_property
    def files(self) -> list[str]:
        """All files but hidden ones; links out of the folder are entered only when that is allowed."""
        found: list[str] = []
        entered = {self._real}
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = list(os.scandir(os.path.join(self.root, folder)))  # noqa: PTH118 - a million files
            except OSError as error:
                self.skipped[folder or "."] = f"the folder cannot be read ({error.strerror})"
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not _is_folder(entry):
                    found.append(path)
                    if entry.is_symlink() and not self._is_inside(path):
                        self._outside_files.add(path)
                elif not entry.is_symlink():
                    pending.append(path)
                elif not self._allow_outside and not self._is_inside(path):
                    self.skipped[path] = f"the link {_OUTSIDE}"
                elif (real := os.path.realpath(entry.path)) not in entered:
                    entered.add(real)
                    pending.append(path)
        return sorted(found)

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a file, which may also be an absolute path that `resolve` gave."""
        file = Path(self.root) / path
        if file.stat().st_size > limit:
            raise OSError(f"the file is larger than {limit:,} bytes")
        return file.read_bytes()

    def resolve(self, path: str, *, allow_outside: bool = False) -> str:
        """The path relative to the folder; links that stay inside keep their name."""
        if is_url(path):
            return _check_url(path, allow_outside)
        try:
            file = Path(self.root) / path
            real = os.path.realpath(file)
        except (OSError, ValueError, RuntimeError) as error:
            raise ImageError(f"the path cannot be resolved ({error})") from error
        if real == self._real or real.startswith(self._real + os.sep):
            return path if file.is_symlink() else os.path.relpath(real, self._real).replace(os.sep, "/")
        if allow_outside:
            return real
        raise ImageError(f"the path {_OUTSIDE}")

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:
        """A URL without its query; for a file of this machine size and time, if those are to do."""
        if is_url(path):
            return redacted(path)
        if not stat_only:
            return None
        try:
            facts = os.stat(os.path.join(self.root, path))  # noqa: PTH116, PTH118 - a million files
        except (OSError, ValueError):
            raise ImageError("the file is missing") from None
        return f"{path}\n{facts.st_size}\n{facts.st_mtime_ns}"

    def leads_outside(self, path: str) -> bool:
        """Whether a listed file is a link out of the folder."""
        return path in self._outside_files and not self._allow_outside

    def _is_inside(self, path: str) -> bool:
        return os.path.realpath(os.path.join(self.root, path)).startswith(self._real + os.sep)  # noqa: PTH118


@lru_cache(maxsize=16)
def _open_archive(path: str, folder: str, size: int, modified: int) -> Storage:
    """An archive; a changed file is another archive."""
    if zipfile.is_zipfile(path):
        return ZipArchive(path, folder)
    try:
        return TarArchive(path, folder, key=f"{path}\n{size}\n{modified}")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an archive ({error})") from error


class _Archive(ABC):
    """Members of an archive by their paths below one of its folders; nothing is ever unpacked by its name."""

    def __init__(self, path: str, folder: str, names: list[str]) -> None:
        self.root = f"{path}{_INSIDE}{folder}" if folder else path
        self.skipped: dict[str, str] = {}
        prefix = f"{folder}/" if folder else ""
        self.members = {
            name.removeprefix(prefix): name
            for name in names
            if name.startswith(prefix) and ".." not in name.split("/") and not name.startswith("/")
        }

    @cached_property
    def files(self) -> list[str]:
        """All members but hidden ones."""
        return sorted(path for path in self.members if not is_hidden(path))

    def resolve(self, path: str, *, allow_outside: bool = False) -> str:
        """The path, when it stays in the archive."""
        if is_url(path):
            return _check_url(path, allow_outside)
        normal = os.path.normpath(path).replace(os.sep, "/")
        if normal.startswith(("../", "/")) or normal == "..":
            raise ImageError(f"the path {_OUTSIDE.split(';', maxsplit=1)[0]}")
        return normal

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:
        """A URL without its query; for a member the archive's own check value, if that is to do."""
        if is_url(path):
            return redacted(path)
        if not stat_only:
            return None
        if path not in self.members:
            raise ImageError("the file is missing")
        return self._check_value(path)

    @abstractmethod
    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a member.

        Raises:
            OSError: it is missing, broken, or longer than `limit`.
        """

    @abstractmethod
    def _check_value(self, path: str) -> str:
        """What changes with a member's contents."""


class ZipArchive(_Archive):
    """A zip file."""

    def __init__(self, path: str, folder: str) -> None:
        self._zip = zipfile.ZipFile(path)
        self._pid, self._path, self._lock = os.getpid(), path, threading.Lock()
        super().__init__(path, folder, [info.filename for info in self._zip.infolist() if not info.is_dir()])

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a member."""
        if path not in self.members:
            raise FileNotFoundError(path)
        with self._lock:  # a forked process may not share the file's position
            if os.getpid() != self._pid:
                self._zip, self._pid = zipfile.ZipFile(self._path), os.getpid()
        try:
            with self._zip.open(self.members[path]) as member:
                data = member.read(limit + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:  # broken, or with a password
            raise OSError(str(error)) from error
        if len(data) > limit:
            raise OSError(f"the file is larger than {limit:,} bytes")
        return data

    def _check_value(self, path: str) -> str:
        info = self._zip.getinfo(self.members[path])
        return f"{path}\n{info.file_size}\n{info.CRC}"


class TarArchive(_Archive):
    """A tar file; a compressed one is decompressed once into the cache, for it allows no access at random."""

    def __init__(self, path: str, folder: str, *, key: str) -> None:
        self._file = _decompressed(path, key)
        with tarfile.open(self._file, "r:") as tar:
            places = {m.name.removeprefix("./"): (m.offset_data, m.size) for m in tar if m.isreg() and not m.issparse()}
        self._places = places
        super().__init__(path, folder, list(places))

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a member."""
        if path not in self.members:
            raise FileNotFoundError(path)
        start, size = self._places[self.members[path]]
        if size > limit:
            raise OSError(f"the file is larger than {limit:,} bytes")
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
    import lzma

    with Path(path).open("rb") as file:
        start = file.read(2)
    if start == b"\x1f\x8b":
        return gzip.open(path)
    if start == b"BZ":
        return bz2.BZ2File(path)
    if start == b"\xfd7":
        return lzma.LZMAFile(path)
    raise tarfile.ReadError("neither a tar file nor a compressed one (gzip, bzip2, xz)")


def descend(storage: Storage) -> Storage:
    """The storage one folder deeper, as often as a root holds nothing but one folder that holds more than images."""
    while True:
        tops = {path.partition("/")[0] for path in storage.files}
        if len(tops) != 1:
            return storage
        (only,) = tops
        below = {path.split("/", 2)[1] for path in storage.files if "/" in path}
        is_container = any("." not in name or name.endswith(_ANNOTATION_SUFFIXES) for name in below)
        if not is_container or only.lower() in _LAYOUT_FOLDERS:
            return storage
        separator = _INSIDE if isinstance(storage, _Archive) and _INSIDE not in storage.root else "/"
        storage = open_storage(f"{storage.root}{separator}{only}")


_LAYOUT_FOLDERS = frozenset({*SPLIT_NAMES, "images", "labels", "annotations"})
_ANNOTATION_SUFFIXES = (".json", ".jsonl", ".csv", ".xml", ".yaml", ".yml", ".txt")
