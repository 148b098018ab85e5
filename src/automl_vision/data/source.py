"""What an importer reads from: a listing of files, their texts, and the images that annotations refer to."""

from __future__ import annotations

import codecs
import os.path
import re
from collections import defaultdict
from functools import cached_property
from itertools import chain
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import unquote, urlsplit

from automl_vision.core.errors import DataError
from automl_vision.data.local_folder import LocalFolder
from automl_vision.data.locations import ARCHIVE_SUFFIXES, Storage
from automl_vision.data.names import folded, is_image, split_in_name, split_of_folder, suffix_of
from automl_vision.data.remote import RemoteFolder
from automl_vision.data.storage import descend, open_storage
from automl_vision.data.urls import check_password, is_url, redacted, without_signature

MAX_ANNOTATION_BYTES = 2**32  # 4 GiB; far above any real file, far below what an archive's member may unpack to
_WINDOWS_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file
_WORKSPACES = re.compile(r"^(azureml|AmlDatastore|workspaceblobstore)://", re.IGNORECASE)
_STORES = re.compile(r"^(gs|gcs|s3|s3a|az|abfss?|wasbs?|hdfs|dbfs)://", re.IGNORECASE)
_PARTS_OF_WEB_URL = 2  # that a listed image must share; "https://host/1.jpg" alone tells too little
_ANNOTATION_FOLDERS = frozenset({"annotations", "annotation", "labels", "label", "json", "jsons", "xml", "xmls"})


class Source:
    """A data set's files as importers see them.

    Attributes:
        storage: where they lie.
        main: the file that the user pointed at, relative to the storage's root; None when it was a folder.
    """

    def __init__(self, storage: Storage, main: str | None = None) -> None:
        self.storage, self.main = storage, main
        self._meant: dict[str, list[str]] = {}  # by listed image: the parts of the reference that it was found for

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
        files: dict[str, list[str]] = defaultdict(list)
        for path in self.files:
            files[suffix_of(path)].append(path)
        return dict(files)

    @cached_property
    def images(self) -> list[str]:
        """All files with an image's suffix, also when the user pointed at an annotation file."""
        return [path for path in self.storage.files if is_image(path)]

    @cached_property
    def image_set(self) -> frozenset[str]:
        """The same, for looking up."""
        return frozenset(self.images)

    def read(self, path: str) -> bytes:
        """The bytes of an annotation file.

        Raises:
            DataError: it is missing, too large, unreadable, or a link out of the data's folder.
        """
        if isinstance(self.storage, LocalFolder) and path != self.main and self.storage.leads_outside(path):
            raise DataError(f"{path} is a link out of the data's folder; open the data with allow_outside=True")
        try:
            if isinstance(self.storage, RemoteFolder):
                return self.storage.read_anew(path, MAX_ANNOTATION_BYTES)
            return self.storage.read(path, MAX_ANNOTATION_BYTES)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error})") from error

    def read_text(self, path: str) -> str:
        """The text of an annotation file: UTF-8 with or without mark, UTF-16 with mark, else Windows-1252."""
        return decode_text(self.read(path))

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
        found = self._by_ending(text, folder, split)
        if found is None and "%" in text:
            found = self._by_ending(unquote(text), folder, split)
        if found is None and not is_image(text):
            found = self.image_named(text, folder, split)
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
        name = folded(reference.replace("\\", "/").rpartition("/")[2])
        return bool(name) and (name in self._by_name or name in self._by_folded_stem)

    def image_of_stem(self, stem: str, folder: str = "", split: str | None = None) -> str | None:
        """The listed image that a reference without suffix names, found as `image` finds one; None without any."""
        text = stem.replace("\\", "/")
        for candidate in (f"{folder}/{text}" if folder else text, text):
            if (found := self._by_stem.get(candidate)) is not None:
                return found
        return self._by_ending(text, folder, split, self._by_folded_stem)

    def _copy_of(self, url: str, folder: str, split: str | None, *, least: int | None = None) -> str | None:
        """The listed image that is a URL's: downloaded, or mounted from a workspace's store.

        At least so many last parts must be shared; None follows the URL's protocol.
        """
        path = unquote(urlsplit(url).path)
        if _WORKSPACES.match(url):
            return self._by_ending(path, folder, split)
        if is_url(self.storage.root):
            return None
        least = least or (1 if _STORES.match(url) else _PARTS_OF_WEB_URL)
        return self._by_ending(path, folder, split, least=least)

    def split_of(self, path: str) -> str | None:
        """The split that a file's folders state, the innermost first: by their whole names, or by a word in them.

        A word counts (`train_images`) where it does for folders of training and of other images alike.
        """
        folder = folder_of(path)
        if (split := split_of_folder(folder)) or not self._has_split_words:
            return split
        return next((found for part in reversed(folder.split("/")) if (found := split_in_name(part))), None)

    @cached_property
    def _has_split_words(self) -> bool:
        parts = {part for folder in set(map(folder_of, self.images)) for part in folder.split("/")}
        found = set(map(split_in_name, parts)) - {None}
        return "train" in found and len(found) > 1

    def image_beside(self, stem: str) -> str | None:
        """The listed image with a path without suffix, or None."""
        return self._by_stem.get(stem)

    def image_named(self, stem: str, folder: str = "", split: str | None = None) -> str | None:
        """The listed image whose name without suffix is `stem`, when only one fits."""
        name = stem.rpartition("/")[2]
        return self._only(self._stems.get(name) or self._stems.get(_UPLOAD.sub("", name), []), folder, split)

    def _has(self, path: str) -> bool:
        """Whether a file is there; beside a single annotation file nothing is listed until something is missing."""
        if self.main and "_listed" not in self.__dict__ and isinstance(self.storage, LocalFolder):
            inside = not path.startswith(("/", "../")) and path != ".."
            return inside and os.path.isfile(f"{self.storage.root}/{path}")  # noqa: PTH113 - a million files
        return not (self.main and is_url(self.storage.root)) and path in self._listed

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(self.storage.files)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Listed images by their names, folded."""
        names: dict[str, list[str]] = defaultdict(list)
        for path in self.images:
            names[folded(path.rpartition("/")[2])].append(path)
        return names

    @cached_property
    def _by_folded_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = defaultdict(list)
        for path in self.images:
            stems[folded(path.rpartition("/")[2].rpartition(".")[0])].append(path)
        return stems

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return {path.rpartition(".")[0]: path for path in reversed(self.images)}

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = defaultdict(list)
        for path in self.images:
            stems[path.rpartition("/")[2].rpartition(".")[0]].append(path)
        return stems

    @cached_property
    def _folders(self) -> frozenset[str]:
        """All folders that hold files, folded."""
        found: set[str] = set()
        for path in self.storage.files:
            folder = folded(path.rpartition("/")[0])
            while folder and folder not in found:
                found.add(folder)
                folder = folder.rpartition("/")[0]
        return frozenset(found)

    def _by_ending(
        self,
        reference: str,
        folder: str,
        split: str | None,
        names: dict[str, list[str]] | None = None,
        *,
        least: int = 1,
    ) -> str | None:
        """The listed image that shares most of the last parts with a reference, capitals and forms of letters aside.

        None when several do, when fewer than `least` parts are shared, when the reference's own folder is there without
        the file, or when another reference already means that image: a label on a wrong image is worse than a missing
        one. `names` are the listed images by the last part of a reference; None for whole file names.
        """
        self._listed  # noqa: B018 - from the first missing image on, the listing is asked instead of the disk
        parts = [part for part in folded(reference).split("/") if part not in ("", ".", "..")]
        if not parts:
            return None
        by_name = self._by_name if names is None else names
        found = by_name.get(parts[-1]) or by_name.get(_UPLOAD.sub("", parts[-1]))
        if not found:
            return None
        alike = {path: 1 + _common_end(parts[:-1], folded(path).split("/")[:-1]) for path in found}
        most = max(alike.values())
        if most < least:
            return None
        if most < len(parts) and not reference.startswith("/"):
            own = "/".join(parts[:-1])
            below = (path for path in (own, folded(f"{folder}/{own}")) if path in self._folders)
            if own and any(below):
                return None
        best = [path for path, count in alike.items() if count == most]
        name = reference.rpartition("/")[2]
        chosen = self._only([path for path in best if path.rpartition("/")[2] == name] or best, folder, split)
        if chosen is not None and self._meant.setdefault(chosen, parts) != parts:
            return None
        return chosen

    def _only(self, paths: list[str], folder: str, split: str | None) -> str | None:
        """The only path, or the only one of a split, or below a folder."""
        if len(paths) > 1 and split:
            paths = [path for path in paths if self.split_of(path) == split] or paths
        if len(paths) > 1 and folder:
            paths = [path for path in paths if path.startswith(f"{folder}/")]
        return paths[0] if len(paths) == 1 else None


def _common_end(first: list[str], second: list[str]) -> int:
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        count += 1
    return count


def _open_url(url: str) -> Source:
    """The files at a URL; an archive is downloaded into the cache, an annotation file read where it stands.

    Raises:
        DataError: it cannot be read, or holds a password.
    """
    from automl_vision.data.remote import download

    check_password(url)
    path = url.partition("?")[0]
    name = path.rpartition("/")[2]
    if name.lower().endswith(ARCHIVE_SUFFIXES):
        return Source(descend(open_storage(str(download(url)))))
    if "." in name and suffix_of(name) in _ANNOTATION_SUFFIXES:
        return Source(RemoteFolder(path.rpartition("/")[0], signed={name: url}), name)
    return Source(descend(open_storage(path.rstrip("/"))))


_ANNOTATION_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".parquet")


def decode_text(data: bytes) -> str:
    """Text from bytes: UTF-8 with or without mark, UTF-16 with mark, else Windows-1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def folder_of(path: str) -> str:
    """A path's folder; empty for the root."""
    return path.rpartition("/")[0]


def as_text(value: Any) -> str:
    """A JSON value as the text of a name: texts as they are, whole numbers without a point; else empty."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e18 < value < 1e18:
        return ""
    return str(int(value)) if isinstance(value, int) or value.is_integer() else str(value)
