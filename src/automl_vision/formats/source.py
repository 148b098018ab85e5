"""What an importer reads from: a listing of files, their texts, and the images that annotations refer to."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Hashable
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from posixpath import normpath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import suffix_of
from automl_vision.data.image_names import is_image
from automl_vision.data.images import open_image, upright_size
from automl_vision.formats.documents import Documents
from automl_vision.formats.image_listing import ImageListing, grouped
from automl_vision.formats.root_folder import ANNOTATION_SUFFIXES, descend
from automl_vision.formats.text_encoding import decode_text
from automl_vision.storage.access import open_storage, read_image_bytes
from automl_vision.storage.local_folder import LocalFolder
from automl_vision.storage.locations import ARCHIVE_SUFFIXES, OUTSIDE, Storage
from automl_vision.storage.remote import RemoteFolder
from automl_vision.storage.urls import check_password, is_url, redacted, without_signature

MAX_ANNOTATION_BYTES = 2**32  # 4 GiB; far above any real file, far below what an archive's member may unpack to
_WINDOWS_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
_WORKSPACES = re.compile(r"^(azureml|AmlDatastore|workspaceblobstore)://", re.IGNORECASE)
_STORES = re.compile(r"^(gs|gcs|s3|s3a|az|abfss?|wasbs?|hdfs|dbfs)://", re.IGNORECASE)
_PARTS_OF_WEB_URL = 2  # that a listed image must share; "https://host/1.jpg" alone tells too little
_ANNOTATION_FOLDERS = frozenset({"annotations", "annotation", "labels", "label", "json", "jsons", "xml", "xmls"})
Parsed = TypeVar("Parsed")
Found = TypeVar("Found")


class Source:
    """A dataset's files as importers see them.

    Attributes:
        storage: where they lie.
        main: the file that the user pointed at, relative to the storage's root; None when it was a folder.
        listing: its images by their names.
        wants_objects: whether the data is opened for a task of objects, and not as its labels suggest.
    """

    def __init__(self, storage: Storage, main: str | None = None) -> None:
        self.storage, self.main = storage, main
        self.listing = ImageListing(storage)
        self.wants_objects = False
        self._looked_at: dict[Hashable, Any] = {}
        self._documents = Documents(partial(_read_file, storage, main))  # a method would be a cycle of references

    @staticmethod
    def open(path: str | Path, *, allow_outside: bool = False) -> Source:
        """The files at a path: a folder, an annotation file, an archive, or a URL of one of these.

        Raises:
            DataError: nothing is there.
        """
        text = str(path)
        if is_url(text):
            return _open_url(text)
        try:
            file = Path(path).expanduser().resolve()
            is_there = file.exists()
        except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, no such user
            raise DataError(f"{path} cannot be opened ({error})") from None
        if not is_there:
            raise DataError(f"{path} does not exist")
        if file.is_file() and not text.lower().endswith(ARCHIVE_SUFFIXES):
            root, main = file.parent, file.name
            if root.name.lower() in _ANNOTATION_FOLDERS and not any(map(is_image, os.listdir(root))):  # noqa: PTH208
                root, main = root.parent, f"{root.name}/{main}"  # the images stand beside the folder of annotations
            return Source(open_storage(str(root), allow_outside=allow_outside), main)
        return Source(descend(open_storage(str(file), allow_outside=allow_outside)))

    @property
    def name(self) -> str:
        """What was opened, for messages."""
        root = redacted(self.storage.root) if is_url(self.storage.root) else self.storage.root
        return f"{root}/{self.main}" if self.main else root

    @cached_property
    def files(self) -> list[str]:
        """The file that the user pointed at, or all files."""
        return [self.main] if self.main else self.storage.files

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The files with one of some suffixes (lower case, with dot), in the order of the listing."""
        found = [self._by_suffix[suffix] for suffix in suffixes if suffix in self._by_suffix]
        return sorted(chain.from_iterable(found)) if len(found) > 1 else list(*found)

    @cached_property
    def _by_suffix(self) -> dict[str, list[str]]:
        return grouped(self.files, suffix_of)

    @property
    def images(self) -> list[str]:
        """All files with an image's suffix, also when the user pointed at an annotation file."""
        return self.listing.images

    @cached_property
    def image_set(self) -> frozenset[str]:
        """The same, for looking up."""
        return frozenset(self.images)

    def read(self, path: str) -> bytes:
        """The bytes of an annotation file, which are read once however many formats look at it.

        Raises:
            DataError: it is missing, too large, unreadable, or a link out of the data's folder.
        """
        return self._documents.data(path)

    def parsed(self, path: str, parse: Callable[[bytes, str], Parsed]) -> Parsed:
        """What a parser makes of an annotation file, called once per file; None if the file is something else.

        Raises:
            DataError: the file cannot be read, or the parser raises this error.
        """
        return self._documents.parsed(path, parse)

    def try_parsed(self, path: str, parse: Callable[[bytes, str], Parsed]) -> Parsed | None:
        """The same for finding the format: None where the file cannot be read or parsed."""
        try:
            return self.parsed(path, parse)
        except DataError:
            return None

    def look_once(self, what: Hashable, look: Callable[[], Found]) -> Found:
        """What several formats find out about the files, each by the same look; an error is not kept.

        Args:
            what: names what is looked at.
            look: looks at it.
        """
        if what not in self._looked_at:
            self._looked_at[what] = look()
        found: Found = self._looked_at[what]
        return found

    def forget(self) -> None:
        """Drop the files that were read, and what was found out; the dataset is open."""
        self._documents.forget()
        self._looked_at.clear()

    def read_text(self, path: str) -> str:
        """The text of an annotation file; see `decode_text`."""
        return decode_text(self.read(path), path)

    def try_text(self, path: str) -> str:
        """The text for finding the format: empty when the file cannot be read."""
        try:
            return self.read_text(path)
        except DataError:
            return ""

    def image(self, reference: str, folder: str = "", split: str | None = None) -> str:
        """The image that an annotation file refers to, as the manifest names it.

        Tried in turn: relative to the annotation file's folder, relative to the root, and, for a path from another
        machine or an incomplete one, the listed image whose path ends alike, when it is the only one or the only one
        below the annotation file's folder.

        Args:
            reference: path or URL as it stands in the file.
            folder: of the annotation file, relative to the root; empty for the root itself.
            split: of the annotation file; of several images that fit, the one whose folders state it is meant.

        Returns:
            A listed path, also where a URL's image lies beside the annotations; the reference where no image fits.
        """
        if is_url(reference):
            return self._copy_of(reference, folder, split) or without_signature(reference)
        text = reference.replace("\\", "/") if "\\" in reference else reference
        for candidate in dict.fromkeys((f"{folder}/{text}" if folder else text, text, reference)):
            path = normpath(candidate) if "./" in candidate or "//" in candidate else candidate
            if self._has(path):
                return path
        if is_url(self.storage.root) and self.main:  # a web server lists nothing
            return normpath(f"{folder}/{text}") if folder else text
        found = self.listing.ending_alike(text, folder, split)
        if found is None and "%" in text:
            found = self.listing.ending_alike(unquote(text), folder, split)
        if found is None and not is_image(text):
            found = self.listing.named(text, folder, split)
        if found is not None:
            return found
        is_absolute = text.startswith("/") or _WINDOWS_DRIVE.match(reference)
        return reference if is_absolute or not folder else normpath(f"{folder}/{text}")

    def image_or_copy(self, reference: str, folder: str = "", split: str | None = None) -> str:
        """The same where a URL means the downloaded image of its name, wherever that lies."""
        if not is_url(reference):
            return self.image(reference, folder, split)
        return self._copy_of(reference, folder, split, least=1) or without_signature(reference)

    def may_be_image(self, reference: str) -> bool:
        """Whether a text looks like the name of a listed image, with or without suffix; of any where none is listed."""
        if is_url(reference) or (is_url(self.storage.root) and self.main) or not self.images:
            return is_url(reference) or is_image(reference)
        return self.listing.has_name(reference)

    def split_of(self, path: str) -> str | None:
        """The split that a file's folders state; see `ImageListing.split_of`."""
        return self.listing.split_of(path)

    def _copy_of(self, url: str, folder: str, split: str | None, *, least: int | None = None) -> str | None:
        """The listed image that is a URL's: downloaded, or mounted from a workspace's store.

        The URL and the image must share at least `least` last parts; if None, the URL's protocol decides how many.
        """
        path = unquote(urlsplit(url).path)
        if _WORKSPACES.match(url):
            return self.listing.ending_alike(path, folder, split)
        if is_url(self.storage.root):
            return None
        least = least or (1 if _STORES.match(url) else _PARTS_OF_WEB_URL)
        return self.listing.ending_alike(path, folder, split, least=least)

    def _has(self, path: str) -> bool:
        """Whether a file is there; beside a single annotation file nothing is listed until something is missing."""
        if self.main and not self.listing.is_made and isinstance(self.storage, LocalFolder):
            inside = not path.startswith(("/", "../")) and path != ".."
            return inside and os.path.isfile(f"{self.storage.root}/{path}")  # noqa: PTH113 - a million files
        return not (self.main and is_url(self.storage.root)) and path in self.listing.all


def size_of_file(source: Source, image: str, *, is_far: bool = False) -> tuple[int, int] | None:
    """Width and height of an image; None where it cannot be read, or lies far away and that is not meant."""
    if (is_url(source.storage.root) and not is_far) or image not in source.image_set:
        return None
    try:
        return upright_size(open_image(read_image_bytes(source.storage.root, image)))
    except (ImageError, DataError):
        return None


def _open_url(url: str) -> Source:
    """The files at a URL; an archive is downloaded into the cache, an annotation file read where it stands.

    Raises:
        DataError: it cannot be read, or holds a password.
    """
    from automl_vision.storage.remote import download

    check_password(url)
    path = url.partition("?")[0]
    name = path.rpartition("/")[2]
    if name.lower().endswith(ARCHIVE_SUFFIXES):
        return Source(descend(open_storage(str(download(url)))))
    if "." in name and suffix_of(name) in ANNOTATION_SUFFIXES:
        return Source(RemoteFolder(path.rpartition("/")[0], signed={name: url}), name)
    return Source(descend(open_storage(path.rstrip("/"))))


def _read_file(storage: Storage, main: str | None, path: str) -> bytes:
    if isinstance(storage, LocalFolder) and path != main and storage.leads_outside(path):
        raise DataError(f"{path} {OUTSIDE}")
    try:
        if isinstance(storage, RemoteFolder):
            return storage.read_anew(path, MAX_ANNOTATION_BYTES)
        return storage.read(path, MAX_ANNOTATION_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error


def as_text(value: Any) -> str:
    """A JSON value as the text of a name: texts as they are, whole numbers without a point; else empty."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e18 < value < 1e18:
        return ""
    return str(int(value)) if isinstance(value, int) or value.is_integer() else str(value)
