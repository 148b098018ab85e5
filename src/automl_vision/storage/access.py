"""Where the bytes of a dataset lie: a folder, a zip or tar archive, or any location that fsspec knows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from automl_vision.core.errors import DataError, ImageError
from automl_vision.storage.archives import open_archive
from automl_vision.storage.local_folder import LocalFolder
from automl_vision.storage.locations import ARCHIVE_SUFFIXES, INSIDE, MAX_IMAGE_BYTES, Storage
from automl_vision.storage.remote import RemoteFolder, fetch
from automl_vision.storage.urls import is_url


def open_storage(root: str, *, allow_outside: bool = False) -> Storage:
    """The storage of a manifest's root.

    Args:
        root: folder, archive (a folder in it after `!/`), or URL.
        allow_outside: whether links may lead outside of a folder.

    Raises:
        DataError: an archive cannot be read, or a URL's protocol is unknown.
    """
    if is_url(root):
        return RemoteFolder(root)
    archive, _, folder = root.partition(INSIDE)
    if archive.lower().endswith(ARCHIVE_SUFFIXES) and Path(archive).is_file():
        facts = Path(archive).stat()
        return open_archive(archive, folder, facts.st_size, facts.st_mtime_ns)
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
        archive, inside, member = image.partition(INSIDE)
        if inside and archive.startswith("/"):
            return _storage_of(archive).read(member)
        return _storage_of("/" if image.startswith("/") else root).read(image)
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
    is_archive = INSIDE not in root and root.lower().endswith(ARCHIVE_SUFFIXES) and Path(root).is_file()
    return f"{root}{INSIDE if is_archive else '/'}{image}"


def _storage_of(root: str) -> Storage:
    """The storage of a root for one image: folders are kept, an archive is looked at whether it is still the same."""
    is_archive = root.partition(INSIDE)[0].lower().endswith(ARCHIVE_SUFFIXES)
    return open_storage(root) if is_archive else _folder(root)


@lru_cache(maxsize=16)
def _folder(root: str) -> Storage:
    return open_storage(root)
